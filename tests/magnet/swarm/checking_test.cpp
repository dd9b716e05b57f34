// SPDX-License-Identifier: Apache-2.0
#include "magnet/swarm/checking.hpp"

#include <algorithm>

#include <catch2/catch.hpp>

namespace lodestone::magnet {
namespace {

using namespace std::chrono_literals;
constexpr wire::Instant kStart{1h};

storage::result::Opened opened(std::uint32_t pieces, std::uint32_t check,
                               std::vector<storage::result::Foreign> foreign = {}) {
  storage::result::Opened o;
  o.have = wire::Bitfield(pieces);
  o.check = wire::Bitfield(pieces);
  for (std::uint32_t p = 0; p < check; ++p) o.check.set(wire::PieceIndex{p});
  o.foreign = std::move(foreign);
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
  CHECK(c.conflict() == nullptr);
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

storage::result::Foreign foreign(const char* path, std::uint32_t first, std::uint32_t last) {
  return {path, wire::PieceIndex{first}, wire::PieceIndex{last}};
}

/// Path of the conflict, "" for none, when these are the pieces that turn out good.
std::string verdict(const storage::result::Opened& o, const std::vector<std::uint32_t>& good) {
  Checking c;
  Actions out;
  c.begin(o, out);
  for (auto jobs = take(out); !jobs.empty(); jobs = take(out))
    for (const std::uint32_t p : jobs)
      (void)c.on_checked(kStart, {wire::PieceIndex{p}, std::find(good.begin(), good.end(), p) != good.end(), {}}, out);
  CHECK(c.done());
  const std::string* path = c.conflict();
  return path != nullptr ? *path : std::string();
}

TEST_CASE("D3 a conflict only if nothing at all matched") {
  CHECK(verdict(opened(3, 3, {foreign("root/a", 0, 2)}), {}) == "root/a");
  for (std::uint32_t p = 0; p < 3; ++p) CHECK(verdict(opened(3, 3, {foreign("root/a", 0, 2)}), {p}).empty());
  CHECK(verdict(opened(3, 3), {}).empty());
}

TEST_CASE("D3 of several files each needs a piece of its own; the first that has none is named") {
  // Neighbours share the piece at their border; "c" and "d" lie in one piece.
  const auto o = opened(20, 20, {foreign("a", 0, 3), foreign("b", 3, 8), foreign("c", 9, 9), foreign("d", 9, 9)});
  CHECK(verdict(o, {}) == "a");
  CHECK(verdict(o, {0}) == "b");
  CHECK(verdict(o, {2, 5, 10, 15}) == "c");
  CHECK(verdict(o, {8, 9}) == "a");
  CHECK(verdict(o, {3}) == "c");
  CHECK(verdict(o, {3, 9}).empty());
  CHECK(verdict(o, {0, 4, 9}).empty());
}

TEST_CASE("D3 a piece that is had without hashing speaks for its file, too") {
  auto o = opened(10, 5, {foreign("a", 0, 4), foreign("b", 5, 9)});
  o.have.set(wire::PieceIndex{7});
  CHECK(verdict(o, {}) == "a");
  CHECK(verdict(o, {1}).empty());
}

TEST_CASE("D3 a piece that cannot be read speaks for nobody until it can") {
  Checking c;
  Actions out;
  c.begin(opened(1, 1, {foreign("a", 0, 0)}), out);
  storage::Trouble io;
  io.kind = storage::Trouble::Kind::io;
  (void)c.on_checked(kStart, {wire::PieceIndex{0}, false, io}, out);
  CHECK_FALSE(c.done());
  c.advance(kStart + 1s, out);
  (void)c.on_checked(kStart + 1s, {wire::PieceIndex{0}, true, {}}, out);
  CHECK(c.done());
  CHECK(c.conflict() == nullptr);
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
