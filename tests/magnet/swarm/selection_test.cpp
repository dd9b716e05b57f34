// SPDX-License-Identifier: Apache-2.0
#include "magnet/swarm/selection.hpp"

#include <catch2/catch.hpp>

namespace lodestone::magnet {
namespace {

/// Pieces of 100 bytes: a 150, pad 50, b 0, c 100, d 250; and a tail of padding.
storage::Layout layout() {
  std::vector<storage::FileEntry> files;
  const auto add = [&](const char* name, std::uint64_t size, bool pad = false) {
    storage::FileEntry f;
    f.path = {"t", name};
    f.size = size;
    f.pad = pad;
    files.push_back(f);
  };
  add("a", 150);
  add("pad1", 50, true);
  add("b", 0);
  add("c", 100);
  add("d", 250);
  add("pad2", 150, true);
  return {files, *wire::Geometry::make(700, 100)};
}

std::string text(const wire::Bitfield& b) {
  std::string out;
  for (std::uint32_t i = 0; i < b.size(); ++i) out += b.test(wire::PieceIndex{i}) ? '1' : '0';
  return out;
}

TEST_CASE("everything: all pieces, pads do not count as payload") {
  const auto l = layout();
  for (const auto& wanted : {std::vector<bool>{}, std::vector<bool>{true, false, true, true, true, false}}) {
    const Selection s(l, wanted);
    CHECK(text(s.pieces()) == "1111111");
    CHECK(s.total() == 500);
    CHECK(s.files().empty());
    std::uint64_t sum = 0;
    for (std::uint32_t p = 0; p < 7; ++p) sum += s.bytes_in(wire::PieceIndex{p});
    CHECK(sum == 500);
    CHECK(s.bytes_in(wire::PieceIndex{1}) == 50);
    CHECK(s.bytes_in(wire::PieceIndex{6}) == 0);
  }
}

TEST_CASE("some files: the pieces they touch, and their bytes only") {
  const auto l = layout();
  const Selection s(l, {false, false, true, true, false, false});
  CHECK(text(s.pieces()) == "0010000");
  CHECK(s.total() == 100);
  const Selection d(l, {false, false, false, false, true, false});
  CHECK(text(d.pieces()) == "0001110");
  CHECK(d.total() == 250);
  CHECK(d.bytes_in(wire::PieceIndex{5}) == 50);
  CHECK(d.bytes_in(wire::PieceIndex{0}) == 0);
  const Selection two(l, {true, false, false, false, false, false});
  CHECK(text(two.pieces()) == "1100000");
  CHECK(two.bytes_in(wire::PieceIndex{1}) == 50);
}

TEST_CASE("nothing, or an answer that is too short") {
  const auto l = layout();
  const Selection none(l, std::vector<bool>(6, false));
  CHECK(none.pieces().none());
  CHECK(none.total() == 0);
  const Selection only_a(l, {true});
  CHECK(text(only_a.pieces()) == "1100000");
  CHECK(only_a.files().size() == 6);
}

}  // namespace
}  // namespace lodestone::magnet
