// SPDX-License-Identifier: Apache-2.0
// A torrent alone with events made by hand: what it says, in which order, and when it wants to be called again.
#include <catch2/catch.hpp>

#include "magnet/swarm/choker.hpp"
#include "tests/support/fake_wire.hpp"

namespace lodestone::magnet {
namespace {

using namespace std::chrono_literals;
using test::make_sample;
using test::Sample;
namespace peer_event = wire::peer_event;
namespace peer_message = wire::peer_message;

struct Stage {
  const Sample sample = make_sample({{"a", 40 * 16'384}}, 16 << 10);
  wire::Instant now{1h};
  wire::BlockPool pool{8 * wire::kBlockSize};
  Torrent torrent;
  Actions out;

  explicit Stage(std::size_t slots = 8) : torrent(now, config(slots), wire::Rng::from_number(1)) {
    torrent.set_block_pool(&pool);
    torrent.start(now, sample.info, sample.torrent.raw_info, {}, {}, false, out);
  }
  [[nodiscard]] TorrentConfig config(std::size_t slots) const {
    TorrentConfig c;
    c.info_hash = *sample.info->info_hash;
    c.policy = wire::AddressPolicy::everything();
    c.seed_after = true;
    c.upload_slots = slots;
    return c;
  }
  [[nodiscard]] std::uint32_t pieces() const { return sample.info->manifest->layout.geometry().piece_count(); }
  void opened(bool everything) {
    storage::result::Opened r;
    r.have = wire::Bitfield(pieces(), everything);
    r.check = wire::Bitfield(pieces());
    torrent.on_storage(now, std::move(r), out);
  }
  LinkKey join(std::uint8_t n) {
    const LinkKey link{n, 1};
    peer_event::Ready ready;
    ready.peer_id.bytes().fill(n);
    ready.fast = ready.extended = true;
    torrent.on_link(now, link, {wire::Address::v4(10, 0, 0, n), 6881}, true, out);
    torrent.on_peer(now, link, ready, out);
    return link;
  }
  /// Messages to that link since the last call.
  std::vector<wire::PeerMessage> told(LinkKey link) {
    std::vector<wire::PeerMessage> messages;
    for (Action& a : out)
      if (auto* send = std::get_if<action::Send>(&a); send != nullptr && send->link == link)
        messages.push_back(std::move(send->message));
    out.clear();
    return messages;
  }
  /// Calls the torrent as often as it wants to be called.
  void run_for(wire::Duration d) {
    const wire::Instant end = now + d;
    for (wire::Instant next; (next = torrent.next_deadline()) <= end;) {
      now = std::max(now, next);
      torrent.advance(now, out);
    }
    now = end;
  }
  [[nodiscard]] std::size_t reads() const {
    return static_cast<std::size_t>(std::count_if(out.begin(), out.end(), [](const Action& a) {
      const auto* disk = std::get_if<action::Disk>(&a);
      return disk != nullptr && std::holds_alternative<storage::job::Read>(disk->job);
    }));
  }
};

TEST_CASE("W2 whoever joins while the files are being opened hears of our pieces before anything else") {
  Stage stage;
  const LinkKey peer = stage.join(1);
  stage.torrent.on_peer(stage.now, peer, peer_event::HasPieces{wire::Bitfield(stage.pieces(), true)}, stage.out);
  CHECK(stage.told(peer).empty());
  stage.opened(false);
  const auto told = stage.told(peer);
  REQUIRE(told.size() >= 2);
  CHECK(std::holds_alternative<peer_message::Pieces>(told[0]));
  CHECK(std::holds_alternative<peer_message::Interested>(told[1]));
}

TEST_CASE("a request that finds no memory is served when there is some, without another event") {
  Stage stage;
  stage.opened(true);
  const LinkKey peer = stage.join(1);
  stage.torrent.on_peer(stage.now, peer, peer_event::Interested{}, stage.out);
  stage.run_for(1s);
  stage.out.clear();
  std::vector<wire::Block> taken;
  while (wire::Block block = stage.pool.take(wire::kBlockSize)) taken.push_back(std::move(block));
  const wire::BlockRange range{wire::PieceIndex{3}, 0, wire::kBlockSize};
  stage.torrent.on_peer(stage.now, peer, peer_event::Request{range}, stage.out);
  stage.run_for(1s);
  CHECK(stage.reads() == 0);
  taken.clear();
  stage.run_for(100ms);
  CHECK(stage.reads() == 1);
}

TEST_CASE("W8 with all slots taken nobody's interest causes a round out of turn") {
  Stage stage(1);
  stage.opened(true);
  const LinkKey served = stage.join(1), late = stage.join(2);
  stage.torrent.on_peer(stage.now, served, peer_event::Interested{}, stage.out);
  CHECK(stage.torrent.next_deadline() <= stage.now);  // a slot is free
  stage.run_for(3s);
  stage.torrent.on_peer(stage.now, late, peer_event::Interested{}, stage.out);
  CHECK(stage.torrent.next_deadline() > stage.now);
  stage.torrent.on_peer(stage.now, served, peer_event::NotInterested{}, stage.out);
  stage.out.clear();
  stage.run_for(100ms);
  const auto told = stage.told(late);
  REQUIRE(told.size() == 1);
  CHECK(std::holds_alternative<peer_message::Unchoke>(told[0]));
}

TEST_CASE("W8 blocks that were not asked for are no merit") {
  Stage stage;
  stage.opened(false);
  const LinkKey peer = stage.join(1);
  stage.torrent.on_peer(stage.now, peer, peer_event::HasPieces{wire::Bitfield(stage.pieces(), true)}, stage.out);
  for (std::uint32_t p = 0; p < 5; ++p)
    stage.torrent.on_peer(
        stage.now, peer, peer_event::BlockData{{wire::PieceIndex{p}, 0}, stage.pool.take(wire::kBlockSize)}, stage.out);
  const auto info = stage.torrent.peers(stage.now).at(0);
  CHECK(info.downloaded == 0);
  CHECK(info.rate_down == 0);
  CHECK(stage.torrent.status(stage.now).downloaded == 5 * wire::kBlockSize);
  CHECK(stage.torrent.status(stage.now).wasted == 5 * wire::kBlockSize);
}

TEST_CASE("an info dict without v1 pieces fails the download and has no geometry to tell") {
  const std::string raw =
      "d9:file treed1:ad0:d6:lengthi1e11:pieces root32:rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrreee12:meta versioni2e"
      "4:name1:a12:piece lengthi16384ee";
  auto parsed = parse_info(wire::as_bytes(raw));
  REQUIRE(parsed);
  TorrentConfig config;
  config.info_hash = wire::InfoHash{wire::sha1(wire::as_bytes(raw))};
  const wire::Instant now{1h};
  Torrent torrent(now, config, wire::Rng::from_number(1));
  Actions out;
  const auto bytes = wire::as_bytes(raw);
  torrent.start(now, std::make_shared<const Info>(*std::move(parsed)), {bytes.begin(), bytes.end()}, {}, {}, false,
                out);
  REQUIRE(torrent.info() != nullptr);
  CHECK(torrent.geometry() == nullptr);
  CHECK(std::any_of(out.begin(), out.end(), [](const Action& a) { return std::holds_alternative<action::Failed>(a); }));
}

}  // namespace
}  // namespace lodestone::magnet
