// SPDX-License-Identifier: Apache-2.0
#include "magnet/swarm/serving.hpp"

#include <algorithm>
#include <map>

#include <catch2/catch.hpp>

namespace lodestone::magnet {
namespace {

using namespace std::chrono_literals;
constexpr wire::Instant kStart{1h};

struct Stage {
  wire::BlockPool pool;
  Serving serving;
  PeerTable peers;
  wire::Bitfield have{100, true};
  Actions out;

  explicit Stage(std::size_t pool_blocks = 4'096, std::uint32_t reqq = 500)
      : pool(pool_blocks * wire::kBlockSize), serving(reqq) {
    serving.set_pool(&pool);
  }
  Peer& peer(std::uint32_t n, bool fast = true) {
    Peer& p = peers.add(kStart, {n, 7}, {wire::Address::v4(10, 0, 0, 1), 1}, true);
    p.fast = fast;
    p.we_choke = false;
    return p;
  }
  void ask(Peer& p, std::uint32_t piece, std::uint32_t length = wire::kBlockSize) {
    serving.on_request(kStart, p, {wire::PieceIndex{piece}, 0, length}, have, out);
  }
  template <class Message>
  std::size_t sent() const {
    std::size_t n = 0;
    for (const Action& a : out)
      if (const auto* s = std::get_if<action::Send>(&a)) n += std::holds_alternative<Message>(s->message);
    return n;
  }
  std::size_t rejects() const { return sent<wire::peer_message::Reject>(); }
  template <class A>
  std::size_t count() const {
    return static_cast<std::size_t>(
        std::count_if(out.begin(), out.end(), [](const Action& a) { return std::holds_alternative<A>(a); }));
  }
  std::size_t reads() const { return count<action::Disk>(); }
  /// Lets the disk answer everything that was asked of it so far.
  void disk(bool trouble = false) {
    Actions jobs;
    jobs.swap(out);
    for (Action& a : jobs) {
      auto* d = std::get_if<action::Disk>(&a);
      if (d == nullptr) continue;
      auto& read = std::get<storage::job::Read>(d->job);
      CHECK(read.into.size() == read.range.length);
      storage::Trouble t;
      if (trouble) t.kind = storage::Trouble::Kind::io;
      serving.on_read(kStart, peers, {read.range, std::move(read.into), read.cookie, t}, out);
    }
  }
};

TEST_CASE("a request becomes a read and a read becomes a piece") {
  Stage s;
  Peer& p = s.peer(1);
  s.ask(p, 3, 1'000);
  CHECK(s.reads() == 1);
  s.disk();
  REQUIRE(s.count<action::SendPiece>() == 1);
  const auto& piece = std::get<action::SendPiece>(s.out.at(0));
  CHECK(piece.link == p.link);
  CHECK(piece.range == wire::BlockRange{wire::PieceIndex{3}, 0, 1'000});
  CHECK(piece.block.size() == 1'000);
  CHECK(p.uploads.under_way() == 1'000);
  s.serving.on_sent(kStart, p, 1'000);
  CHECK(p.uploads.under_way() == 0);
  CHECK(p.uploaded() == 1'000);
  CHECK(s.serving.bytes_reading() == 0);
}

TEST_CASE("rejected: choked, pieces we lack, more than 16 KiB; without Fast in silence") {
  Stage s;
  Peer& p = s.peer(1);
  p.we_choke = true;
  s.ask(p, 3);
  CHECK(s.rejects() == 1);
  p.we_choke = false;
  s.have.reset(wire::PieceIndex{4});
  s.ask(p, 4);
  s.ask(p, 5, 32 * 1024);
  CHECK(s.rejects() == 3);
  Peer& old = s.peer(2, false);
  old.we_choke = true;
  s.ask(old, 3);
  CHECK(s.rejects() == 3);
  CHECK(s.reads() == 0);
}

TEST_CASE("W12 no more than our reqq waits, and every request is answered") {
  Stage s(4'096, 20);
  Peer& p = s.peer(1);
  for (std::uint32_t i = 0; i < 30; ++i) s.ask(p, i);
  CHECK(s.rejects() == 10);
  CHECK(s.reads() * wire::kBlockSize <= Serving::kLeastUnderWay);
  std::size_t pieces = 0;
  for (int round = 0; round < 10; ++round) {
    s.disk();
    const std::size_t n = s.count<action::SendPiece>();
    pieces += n;
    s.serving.on_sent(kStart, p, n * wire::kBlockSize);
    std::erase_if(s.out, [](const Action& a) { return std::holds_alternative<action::SendPiece>(a); });
    s.serving.pump(kStart, s.peers, s.out);
  }
  CHECK(pieces == 20);
  CHECK(p.uploads.idle());
}

TEST_CASE("what is between disk and network is bounded by what the peer takes") {
  Stage s(65'536, 2'000);
  Peer& p = s.peer(1);
  for (std::uint32_t i = 0; i < 100; ++i)
    for (std::uint32_t b = 0; b < 5; ++b)
      s.serving.on_request(kStart, p, {wire::PieceIndex{i}, b * wire::kBlockSize, wire::kBlockSize}, s.have, s.out);
  CHECK(p.uploads.under_way() == Serving::kLeastUnderWay);
  // It takes 3 MB/s: half a second of that.
  for (int i = 0; i < 20; ++i) p.up.add(kStart + 1s * i, 3'000'000);
  s.serving.pump(kStart + 20s, s.peers, s.out);
  CHECK(p.uploads.under_way() > 1'300'000);
  CHECK(p.uploads.under_way() <= 1'500'000);
}

TEST_CASE("D5 a dry pool stops reads for a while and leaves room for what comes in; nobody starves") {
  Stage s(16);
  Peer& a = s.peer(1);
  Peer& b = s.peer(2);
  for (std::uint32_t i = 0; i < 30; ++i) s.ask(a, i);
  for (std::uint32_t i = 0; i < 30; ++i) s.ask(b, i);
  CHECK(s.reads() == 12);
  CHECK(s.pool.available() == 4);
  CHECK(s.serving.wants_pump());
  std::map<LinkKey, std::size_t> served;
  for (int round = 0; round < 40; ++round) {
    s.disk();
    for (const Action& action : s.out)
      if (const auto* piece = std::get_if<action::SendPiece>(&action)) {
        ++served[piece->link];
        s.serving.on_sent(kStart, *s.peers.find(piece->link), piece->block.size());
      }
    std::erase_if(s.out, [](const Action& action) { return std::holds_alternative<action::SendPiece>(action); });
    s.serving.pump(kStart, s.peers, s.out);
  }
  CHECK(served[a.link] == 30);
  CHECK(served[b.link] == 30);
  s.out.clear();
}

TEST_CASE("a choke rejects what waits; what is being read still comes with Fast, and is dropped without") {
  for (const bool fast : {true, false}) {
    Stage s;
    Peer& p = s.peer(1, fast);
    for (std::uint32_t i = 0; i < 20; ++i) s.ask(p, i);
    const std::size_t reading = s.reads();
    p.we_choke = true;
    s.serving.on_choked(p, s.out);
    CHECK(s.rejects() == (fast ? 20 - reading : 0));
    s.disk();
    CHECK(s.count<action::SendPiece>() == (fast ? reading : 0));
    CHECK(p.uploads.under_way() == (fast ? reading * wire::kBlockSize : 0));
    CHECK(p.uploads.idle());
    s.out.clear();
  }
}

TEST_CASE("cancelled and unreadable blocks are rejected, and a gone peer's block just comes home") {
  Stage s;
  Peer& p = s.peer(1);
  for (std::uint32_t i = 0; i < 20; ++i) s.ask(p, i);
  s.serving.on_cancel(p, {wire::PieceIndex{19}, 0, wire::kBlockSize}, s.out);
  CHECK(s.rejects() == 1);
  s.serving.on_cancel(p, {wire::PieceIndex{0}, 0, wire::kBlockSize}, s.out);
  CHECK(s.rejects() == 1);
  s.disk();
  CHECK(s.rejects() == 1);
  CHECK(s.count<action::SendPiece>() == 15);
  s.serving.on_sent(kStart, p, 15 * wire::kBlockSize);
  s.serving.pump(kStart, s.peers, s.out);
  s.disk(true);
  CHECK(s.count<action::SendPiece>() == 0);
  CHECK(s.rejects() >= 1);
  s.ask(p, 50);
  s.peers.erase(p.link);
  s.disk();
  s.out.clear();
  CHECK(s.pool.in_use() == 0);
  CHECK(s.serving.bytes_reading() == 0);
}

}  // namespace
}  // namespace lodestone::magnet
