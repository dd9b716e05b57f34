// SPDX-License-Identifier: Apache-2.0
// Most tests describe the state of a small torrent by strings, a character a piece:
//   availability  digits: how many peers have it        have     '1': we have it
//   priority      '1': wanted, '0': not                 partial  hex digit: so many blocks of it are received already
#include "magnet/swarm/piece_picker.hpp"

#include <map>
#include <memory>
#include <numeric>
#include <set>
#include <string>

#include <catch2/catch.hpp>

namespace lodestone::magnet {
namespace {

constexpr std::uint32_t kBlocks = 4;  // a piece

wire::Geometry geometry_of(std::uint32_t pieces, std::uint32_t blocks = kBlocks) {
  return *wire::Geometry::make(std::uint64_t{pieces} * blocks * wire::kBlockSize, blocks * wire::kBlockSize);
}

wire::Bitfield bits(const std::string& text) {
  wire::Bitfield out(static_cast<std::uint32_t>(text.size()));
  for (std::uint32_t i = 0; i < text.size(); ++i)
    if (text[i] == '1') out.set(wire::PieceIndex{i});
  return out;
}

/// A picker and an asker that has everything unless told otherwise.
struct Bench {
  PiecePicker picker;
  std::map<std::uint32_t, std::uint64_t> memory;

  explicit Bench(const wire::Geometry& geometry, PickerConfig config = {}, std::uint64_t seed = 1)
      : picker(geometry, config, wire::Rng::from_number(seed)) {}

  std::vector<wire::BlockRef> pick(std::size_t n, const wire::Bitfield& pieces, std::uint32_t id = 0,
                                   std::size_t duplicates = 0, bool may_open = true) {
    PiecePicker::Asker asker;
    asker.id = id;
    asker.pieces = &pieces;
    asker.nothing_new = &memory[id];
    asker.may_open = may_open;
    asker.duplicates = duplicates;
    const std::function<bool(wire::BlockRef, std::uint32_t)> worth = [&](wire::BlockRef ref, std::uint32_t) {
      return !asked[id].contains(ref);
    };
    asker.worth = &worth;
    std::vector<wire::BlockRef> out;
    const std::size_t got = picker.pick(asker, n, out);
    CHECK(got == out.size());
    CHECK(got <= n);
    for (const wire::BlockRef ref : out) CHECK(asked[id].insert(ref).second);
    picker.check_invariants();
    return out;
  }
  PiecePicker::Arrival arrive(wire::BlockRef ref, std::uint32_t id = 0) {
    const auto a = picker.arrived(ref, id);
    picker.check_invariants();
    return a;
  }
  std::map<std::uint32_t, std::set<wire::BlockRef>> asked;
};

std::unique_ptr<Bench> setup(const std::string& availability, const std::string& have, const std::string& priority,
                             const std::string& partial, PickerConfig config = {}, std::uint64_t seed = 1) {
  const auto n = static_cast<std::uint32_t>(availability.size());
  auto bench = std::make_unique<Bench>(geometry_of(n), config, seed);
  for (char level = '1'; level <= '9'; ++level) {
    std::string peer(n, '0');
    for (std::size_t i = 0; i < n; ++i) peer[i] = availability[i] >= level ? '1' : '0';
    bench->picker.add_pieces(bits(peer));
  }
  bench->picker.begin(bits(priority), bits(have));
  for (std::uint32_t p = 0; p < n; ++p) {
    if (partial[p] == '0') continue;
    wire::Bitfield only(n);
    only.set(wire::PieceIndex{p});
    const std::uint32_t id = 1'000 + p;
    for (const wire::BlockRef ref : bench->pick(static_cast<std::size_t>(partial[p] - '0'), only, id))
      bench->arrive(ref, id);
  }
  return bench;
}

std::set<std::uint32_t> pieces_of(const std::vector<wire::BlockRef>& refs) {
  std::set<std::uint32_t> out;
  for (const wire::BlockRef ref : refs) out.insert(ref.piece.value());
  return out;
}

const wire::Bitfield kAll7(7, true);

TEST_CASE("W7 once there are four pieces, the rarest comes first") {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    auto c = setup("9999139", "1111000", "1111111", "0000000", {}, seed);
    CHECK(pieces_of(c->pick(4, kAll7)) == std::set<std::uint32_t>{4});
    CHECK(pieces_of(c->pick(4, kAll7)) == std::set<std::uint32_t>{5});
    CHECK(pieces_of(c->pick(4, kAll7)) == std::set<std::uint32_t>{6});
    CHECK(c->pick(4, kAll7).empty());
  }
}

TEST_CASE("W7 equally rare ones, and the first four, are drawn by lot") {
  std::map<std::uint32_t, int> first, tied;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    ++first[setup("1599999", "0000000", "1111111", "0000000", {}, seed)->pick(1, kAll7).at(0).piece.value()];
    ++tied[setup("9999222", "1111000", "1111111", "0000000", {}, seed)->pick(1, kAll7).at(0).piece.value()];
  }
  CHECK(first.size() == 7);
  CHECK(tied.size() == 3);
  for (const auto& [piece, n] : tied) CHECK(n > 60);
  for (const auto& [piece, n] : first) CHECK(n > 15);
}

TEST_CASE("W7 partial pieces are finished before new ones are begun, the oldest first") {
  auto b = setup("1999999", "0000111", "1111111", "0130000");
  CHECK(b->picker.open_pieces() == 2);
  const auto got = b->pick(4, kAll7);
  REQUIRE(got.size() == 4);
  CHECK(got[0] == wire::BlockRef{wire::PieceIndex{1}, 1});
  CHECK(got[1] == wire::BlockRef{wire::PieceIndex{1}, 2});
  CHECK(got[2] == wire::BlockRef{wire::PieceIndex{1}, 3});
  CHECK(got[3] == wire::BlockRef{wire::PieceIndex{2}, 3});
  // Only now a new one.
  CHECK(b->picker.open_pieces() == 2);
  b->pick(1, kAll7);
  CHECK(b->picker.open_pieces() == 3);
}

TEST_CASE("only pieces that are wanted, not had, and that the peer has") {
  auto b = setup("1111111", "1000000", "1110111", "0000000");
  CHECK(b->pick(100, bits("1001000")).empty());
  CHECK(pieces_of(b->pick(100, bits("1101001"), 1)) == std::set<std::uint32_t>{1, 6});
  CHECK(pieces_of(b->pick(100, kAll7, 2)) == std::set<std::uint32_t>{2, 4, 5});
  CHECK(b->picker.interesting(kAll7) == 5);
  CHECK(b->picker.interesting(bits("1001001")) == 1);
  CHECK(b->picker.missing() == bits("0110111"));
}

TEST_CASE("a peer that was found to have nothing new is not searched again until there is news") {
  auto b = setup("1111111", "0000000", "1111111", "0000000");
  const auto only = bits("1000000");
  CHECK(b->pick(100, only).size() == kBlocks);
  CHECK(b->pick(100, only).empty());
  const std::uint64_t seen = b->memory[0];
  CHECK(seen != 0);
  CHECK(b->pick(100, only).empty());
  CHECK(b->memory[0] == seen);
  b->memory[0] = 0;  // as the torrent does on Have
  CHECK(b->pick(100, bits("1100000")).size() == kBlocks);
}

TEST_CASE("W7 sequential: in order, whatever is rare") {
  PickerConfig config;
  config.sequential = true;
  auto b = setup("9991999", "0100000", "1111111", "0000000", config);
  std::vector<wire::BlockRef> all;
  for (int i = 0; i < 7; ++i)
    for (const wire::BlockRef ref : b->pick(kBlocks, kAll7)) all.push_back(ref);
  REQUIRE(all.size() == 6 * kBlocks);
  CHECK(std::is_sorted(all.begin(), all.end()));
}

TEST_CASE("released blocks go to the next asker, oldest piece first") {
  auto b = setup("1111111", "1111000", "1111111", "0000000");
  const auto mine = b->pick(kBlocks + 2, kAll7, 1);
  b->picker.release(mine[2], 1);
  b->picker.release(mine[2], 1);  // twice does no harm
  b->picker.check_invariants();
  const auto next = b->pick(1, kAll7, 2);
  CHECK(next.at(0) == mine[2]);
  // Every block reaches exactly one of them, and the piece completes.
  int completed = 0;
  for (const auto& ref : mine)
    if (ref != mine[2]) completed += b->arrive(ref, 1).complete;
  const auto last = b->arrive(mine[2], 2);
  CHECK(last.fresh);
  CHECK(last.complete);
  CHECK(completed == 0);
  b->picker.set_have(mine[2].piece);
  b->picker.check_invariants();
  CHECK(b->picker.slot(mine[2].piece) == PiecePicker::kNoSlot);
}

TEST_CASE("W4 a second copy of a block is not fresh; a given-up one that comes late is") {
  auto b = setup("1111111", "1111000", "1111111", "0000000");
  const auto mine = b->pick(2, kAll7, 1);
  CHECK(b->arrive(mine[0], 1).fresh);
  CHECK_FALSE(b->arrive(mine[0], 1).fresh);
  b->picker.release(mine[1], 1);
  CHECK(b->arrive(mine[1], 1).fresh);
  CHECK_FALSE(b->arrive({wire::PieceIndex{0}, 0}, 1).fresh);  // a piece we have
}

TEST_CASE("W7 end-game: the last blocks are asked of two, and whoever comes second is told") {
  auto b = setup("2222222", "1111110", "1111111", "0000000");
  const auto first = b->pick(100, kAll7, 1);
  CHECK(first.size() == kBlocks);
  CHECK(b->picker.end_game());
  CHECK(b->pick(100, kAll7, 2).empty());  // busy: no duplicates
  const auto second = b->pick(100, kAll7, 2, 3);
  CHECK(second.size() == 3);
  CHECK(b->pick(100, kAll7, 2, 3).size() == 1);
  CHECK(b->pick(100, kAll7, 3, 3).empty());  // two are enough
  CHECK(b->arrive(second[0], 2).others_asked);
  const auto lone = b->arrive(second[1], 1);
  CHECK(lone.others_asked);
  // Not before everything is asked for.
  auto c = setup("2222222", "1111100", "1111111", "0000000");
  CHECK(c->pick(kBlocks, kAll7, 1).size() == kBlocks);
  CHECK_FALSE(c->picker.end_game());
  CHECK(pieces_of(c->pick(100, bits("1111101"), 2, 4)).size() <= 1);
}

TEST_CASE("late blocks may be asked a second time before the end-game") {
  auto b = setup("2222222", "1111000", "1111111", "0000000");
  const auto slow = b->pick(2, bits("0000100"), 1);
  REQUIRE(slow.size() == 2);
  const auto rest = b->pick(2, bits("0000100"), 2);
  CHECK(b->pick(4, bits("0000100"), 3, 4).empty());
  b->picker.mark_late(slow[1]);
  CHECK(b->pick(4, bits("0000100"), 3, 4) == std::vector{slow[1]});
  CHECK(b->arrive(slow[1], 3).others_asked);
}

TEST_CASE("W3 a corrupt piece is free again, and exclusive to one peer at a time") {
  auto b = setup("2222222", "1111000", "1111111", "0000000");
  const auto only = bits("0000100");
  for (const auto& ref : b->pick(kBlocks, only, 1)) b->arrive(ref, 1);
  b->picker.corrupt(wire::PieceIndex{4}, true);
  b->picker.check_invariants();
  const auto again = b->pick(2, only, 2);
  CHECK(again.size() == 2);
  b->memory[3] = 0;
  CHECK(b->pick(2, only, 3).empty());
  SECTION("its owner goes: the next one may take all") { b->picker.forget(2); }
  SECTION("its owner does not deliver: it is like any other piece") { b->picker.release(again[0], 2); }
  CHECK(b->pick(kBlocks, only, 3).size() >= 2);
}

TEST_CASE("D4 asked, received and storing blocks never exceed the limit, and some piece can always be finished") {
  PickerConfig config;
  config.unstored_limit = 6 * kBlocks * wire::kBlockSize;
  wire::Rng rng = wire::Rng::from_number(GENERATE(1u, 2u, 3u, 4u, 5u));
  const std::uint32_t pieces = 60;
  // The last piece is short.
  const auto geometry =
      *wire::Geometry::make((std::uint64_t{pieces} * kBlocks - 3) * wire::kBlockSize, kBlocks * wire::kBlockSize);
  Bench b(geometry, config);
  const wire::Bitfield everything(pieces, true);
  b.picker.begin(everything, wire::Bitfield(pieces));
  std::vector<wire::Bitfield> peers;
  for (int i = 0; i < 8; ++i) {
    wire::Bitfield has(pieces);
    for (std::uint32_t p = 0; p < pieces; ++p)
      if (rng.chance(0.4) || p % 8 == static_cast<std::uint32_t>(i)) has.set(wire::PieceIndex{p});
    b.picker.add_pieces(has);
    peers.push_back(has);
  }
  std::vector<std::pair<wire::BlockRef, std::uint32_t>> in_flight;
  std::vector<wire::PieceIndex> storing;
  int idle = 0;
  for (int step = 0; step < 200'000 && !b.picker.done(); ++step) {
    const auto id = static_cast<std::uint32_t>(rng.below(8));
    switch (rng.below(4)) {
      case 0:
        for (const auto& ref : b.pick(1 + rng.below(6), peers[id], id, rng.below(3))) in_flight.push_back({ref, id});
        break;
      case 1:
      case 2:
        if (!in_flight.empty()) {
          std::swap(in_flight[rng.below(in_flight.size())], in_flight.back());
          const auto [ref, who] = in_flight.back();
          in_flight.pop_back();
          b.asked[who].erase(ref);
          if (rng.chance(0.1)) {
            b.picker.release(ref, who);
          } else if (b.arrive(ref, who).complete) {
            storing.push_back(ref.piece);
            // The others who were asked get a cancel.
            std::erase_if(in_flight, [&](const auto& f) {
              if (f.first.piece != ref.piece) return false;
              b.asked[f.second].erase(f.first);
              return true;
            });
          }
        }
        break;
      default:
        if (!storing.empty() && rng.chance(0.3)) {
          if (rng.chance(0.1)) {
            b.picker.corrupt(storing.back(), rng.chance(0.5));
            for (auto& [who, refs] : b.asked) std::erase_if(refs, [&](auto r) { return r.piece == storing.back(); });
          } else {
            b.picker.set_have(storing.back());
          }
          storing.pop_back();
          for (std::uint32_t i = 0; i < 8; ++i) b.picker.forget(i);
        }
    }
    if (b.picker.committed() > config.unstored_limit) FAIL("committed " << b.picker.committed());
    // Nothing in flight, nothing storing: somebody must get something.
    if (in_flight.empty() && storing.empty() && !b.picker.done()) {
      std::size_t got = 0;
      for (std::uint32_t i = 0; i < 8; ++i)
        for (const auto& ref : b.pick(100, peers[i], i)) {
          in_flight.push_back({ref, i});
          ++got;
        }
      if (got == 0) FAIL("stuck with " << b.picker.missing().count() << " missing");
      ++idle;
    }
  }
  CHECK(b.picker.done());
}

TEST_CASE("D4 distance may be asked for beyond the limit, up to the limit of open pieces") {
  PickerConfig config;
  config.unstored_limit = 2u << 20;
  const auto geometry = geometry_of(400, 16);
  Bench b(geometry, config);
  const wire::Bitfield all(400, true);
  b.picker.begin(all, wire::Bitfield(400));
  b.picker.add_seed();
  CHECK(b.pick(10'000, all).size() == 128);
  CHECK(b.picker.blocked_by_limit() == false);
  CHECK(b.pick(1, all).empty());
  CHECK(b.picker.blocked_by_limit());
  b.picker.set_distant(1u << 20);
  CHECK(b.pick(10'000, all).size() == 64);
  b.picker.set_distant(1u << 30);
  CHECK(b.pick(10'000, all).size() == (24u << 20) / wire::kBlockSize - 192);
  CHECK(b.picker.open_pieces() <= b.picker.max_open());
}

TEST_CASE("open pieces: at most 24 MiB of them, at least two; none while the disk presses") {
  const auto b = std::make_unique<Bench>(*wire::Geometry::make(3'000ull << 20, 64u << 20));
  CHECK(b->picker.max_open() == 2);
  CHECK(Bench(*wire::Geometry::make(3'000ull << 20, 1u << 20)).picker.max_open() == 24);
  auto c = setup("1111111", "0000000", "1111111", "0100000");
  CHECK(pieces_of(c->pick(100, kAll7, 5, 0, false)) == std::set<std::uint32_t>{1});
  CHECK(c->pick(100, kAll7, 5, 0, false).empty());
}

TEST_CASE("long pieces: what is spilled does not count, what is resumed is not asked for") {
  const std::uint32_t length = 8u << 20;
  const auto geometry = *wire::Geometry::make(4ull * length, length);
  PickerConfig config;
  config.unstored_limit = 1u << 20;
  Bench b(geometry, config);
  const wire::Bitfield all(4, true);
  b.picker.begin(all, wire::Bitfield(4));
  CHECK_FALSE(b.picker.resumed({wire::PieceIndex{2}, 0}));
  CHECK_FALSE(b.picker.resumed({wire::PieceIndex{2}, 5}));
  CHECK(b.picker.committed() == 0);
  b.picker.add_seed();
  wire::Bitfield only(4);
  only.set(wire::PieceIndex{2});
  std::size_t blocks = 2;
  bool complete = false;
  while (!complete) {
    const auto got = b.pick(1'000, only);
    REQUIRE(got.size() == std::min<std::size_t>(64, 512 - blocks));
    CHECK(b.pick(1, only).empty());
    for (const auto& ref : got) {
      CHECK(ref != wire::BlockRef{wire::PieceIndex{2}, 5});
      complete = b.arrive(ref).complete || complete;
    }
    blocks += got.size();
    b.picker.spilled(static_cast<std::uint32_t>(got.size()));
  }
  CHECK(complete);
  b.picker.set_have(wire::PieceIndex{2});
  b.picker.check_invariants();
}

TEST_CASE("a piece whose only sources are gone is given up when it blocks the others") {
  PickerConfig config;
  config.unstored_limit = 2 * kBlocks * wire::kBlockSize;
  auto b = setup("0000000", "0000000", "1111111", "0000000", config);
  const auto a = bits("1000000"), c = bits("0100000"), d = bits("0010000");
  b->picker.add_pieces(a);
  b->picker.add_pieces(c);
  b->picker.add_pieces(d);
  for (const auto& ref : b->pick(kBlocks - 1, a, 1)) b->arrive(ref, 1);
  for (const auto& ref : b->pick(kBlocks - 1, c, 2)) b->arrive(ref, 2);
  CHECK_FALSE(b->picker.hopeless().has_value());
  b->picker.remove_pieces(a);
  b->picker.remove_pieces(c);
  const auto got = b->pick(kBlocks, d, 3);
  CHECK(got.size() < kBlocks);
  for (const auto& ref : got) b->arrive(ref, 3);
  CHECK(b->pick(kBlocks, d, 3).empty());
  const auto victim = b->picker.hopeless();
  REQUIRE(victim.has_value());
  b->picker.abandon(*victim);
  b->picker.check_invariants();
  CHECK(b->pick(kBlocks, d, 3).size() == kBlocks - got.size());
  CHECK(b->picker.pickable(*victim));
}

TEST_CASE("long pieces whose only source is gone do not keep others from being opened, and their blocks wait") {
  const std::uint32_t length = 16u << 20;
  const auto geometry = *wire::Geometry::make(40ull * length, length);
  Bench b(geometry);
  b.picker.begin(wire::Bitfield(40, true), wire::Bitfield(40));
  REQUIRE(b.picker.max_open() == 2);
  const auto one_block = [&](std::uint32_t piece) {
    wire::Bitfield only(40);
    only.set(wire::PieceIndex{piece});
    b.picker.add_pieces(only);
    const auto got = b.pick(1, only, piece);
    for (const auto& ref : got) b.arrive(ref, piece);
    b.picker.spilled(static_cast<std::uint32_t>(got.size()));
    b.picker.remove_pieces(only);
    return got.size();
  };
  for (std::uint32_t p = 0; p < 2 + PiecePicker::kMaxAside; ++p) {
    CHECK(one_block(p) == 1);
    CHECK_FALSE(b.picker.hopeless().has_value());
  }
  // Somebody opens and leaves one after the other: that has an end, too.
  CHECK(one_block(30) == 0);
  const auto victim = b.picker.hopeless();
  REQUIRE(victim == wire::PieceIndex{0});
  b.picker.abandon(*victim);
  b.picker.check_invariants();
  CHECK(b.picker.committed() == 0);
  CHECK(one_block(30) == 1);
  // What was put aside is gone on with when somebody has it.
  wire::Bitfield only(40);
  only.set(wire::PieceIndex{1});
  b.picker.add_pieces(only);
  const auto more = b.pick(3, only, 99);
  CHECK(more.size() == 3);
  for (const auto& ref : more) CHECK(ref.block > 0);
}

TEST_CASE("picking in a torrent of 2 million pieces costs no walk over them") {
  const std::uint32_t pieces = wire::Geometry::kMaxPieces;
  Bench b(*wire::Geometry::make(std::uint64_t{pieces} * wire::kBlockSize, wire::kBlockSize));
  wire::Bitfield have(pieces);
  for (std::uint32_t p = 0; p < 10; ++p) have.set(wire::PieceIndex{p});
  const wire::Bitfield all(pieces, true);
  b.picker.begin(all, have);
  b.picker.add_seed();
  std::uint64_t memory = 0;
  PiecePicker::Asker asker;
  asker.id = 1;
  asker.pieces = &all;
  asker.nothing_new = &memory;
  std::vector<wire::BlockRef> out;
  // 100,000 picks; a walk over the pieces in each would be 2 * 10^11 steps and never end.
  for (int i = 0; i < 100'000; ++i) {
    out.clear();
    if (b.picker.pick(asker, 1, out) != 1) FAIL();
    if (!b.picker.arrived(out[0], 1).complete) FAIL();
    b.picker.set_have(out[0].piece);
  }
  CHECK(b.picker.have().count() == 100'010);
}

}  // namespace
}  // namespace lodestone::magnet
