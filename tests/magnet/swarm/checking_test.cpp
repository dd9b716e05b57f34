// SPDX-License-Identifier: Apache-2.0
#include "magnet/swarm/checking.hpp"

#include <catch2/catch.hpp>

namespace lodestone::magnet {
namespace {

using namespace std::chrono_literals;
constexpr wire::Instant kStart{1h};

storage::result::Opened opened(std::uint32_t pieces, std::uint32_t check, bool conflict = false) {
  storage::result::Opened o;
  o.have = wire::Bitfield(pieces);
  o.check = wire::Bitfield(pieces);
  for (std::uint32_t p = 0; p < check; ++p) o.check.set(wire::PieceIndex{p});
  o.conflict_if_none = conflict;
  o.conflict_path = "root/a";
  return o;
}

std::vector<std::uint32_t> take(Actions& out) {
  std::vector<std::uint32_t> pieces;
  for (const Action& a : out)
    pieces.push_back(std::get<storage::job::CheckPiece>(std::get<action::Disk>(a).job).piece.value());
  out.clear();
  return pieces;
}

TEST_CASE("every piece is hashed once, at most eight at a time") {
  Checking c;
  Actions out;
  c.begin(opened(100, 50), out);
  auto jobs = take(out);
  CHECK(jobs.size() == Checking::kInFlight);
  std::vector<std::uint32_t> seen;
  std::size_t good = 0;
  while (!jobs.empty()) {
    CHECK_FALSE(c.done());
    const std::uint32_t p = jobs.front();
    jobs.erase(jobs.begin());
    seen.push_back(p);
    good += c.on_checked(kStart, {wire::PieceIndex{p}, p % 2 == 0, {}}, out);
    for (const std::uint32_t next : take(out)) jobs.push_back(next);
    CHECK(jobs.size() <= Checking::kInFlight);
  }
  CHECK(c.done());
  CHECK(seen.size() == 50);
  CHECK(good == 25);
  CHECK_FALSE(c.conflict());
}

TEST_CASE("nothing to hash is done at once") {
  Checking c;
  Actions out;
  c.begin(opened(100, 0), out);
  CHECK(c.done());
  CHECK(out.empty());
  Checking none;
  none.begin(opened(0, 0), out);
  CHECK(none.done());
}

TEST_CASE("D3 a conflict only if nothing at all matched") {
  for (const bool any : {false, true}) {
    Checking c;
    Actions out;
    c.begin(opened(3, 3, true), out);
    for (std::uint32_t p = 0; p < 3; ++p) (void)c.on_checked(kStart, {wire::PieceIndex{p}, any && p == 1, {}}, out);
    CHECK(c.done());
    CHECK(c.conflict() == !any);
    CHECK(c.conflict_path() == "root/a");
  }
}

TEST_CASE("D2 an unreadable piece is tried again each second, and the trouble is known") {
  Checking c;
  Actions out;
  c.begin(opened(3, 1), out);
  take(out);
  storage::Trouble io;
  io.kind = storage::Trouble::Kind::io;
  for (int s = 0; s < 5; ++s) {
    const auto now = kStart + 1s * s;
    CHECK_FALSE(c.on_checked(now, {wire::PieceIndex{0}, false, io}, out));
    CHECK_FALSE(c.done());
    CHECK(c.trouble());
    CHECK(c.next_deadline() == now + 1s);
    c.advance(now, out);
    CHECK(out.empty());
    c.advance(now + 1s, out);
    CHECK(take(out) == std::vector<std::uint32_t>{0});
  }
  CHECK(c.on_checked(kStart + 9s, {wire::PieceIndex{0}, true, {}}, out));
  CHECK(c.done());
  CHECK_FALSE(c.trouble());
}

}  // namespace
}  // namespace lodestone::magnet
