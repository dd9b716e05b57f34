// SPDX-License-Identifier: Apache-2.0
#include "storage/plan/layout.hpp"

#include <utility>

#include <catch2/catch.hpp>

#include "wire/base/rng.hpp"

using namespace lodestone;
using storage::FileEntry;
using storage::FileSlice;
using storage::Layout;

namespace {

FileEntry file(std::string name, std::uint64_t size, bool pad = false) {
  FileEntry out;
  out.path = {"dir", std::move(name)};
  out.size = size;
  out.pad = pad;
  return out;
}

struct Slice {
  std::uint32_t file;
  std::uint64_t offset, length;
  friend bool operator==(const Slice&, const Slice&) = default;
};

std::vector<Slice> slices(const Layout& layout, std::uint64_t offset, std::uint64_t length) {
  std::vector<FileSlice> raw;
  layout.slices(offset, length, raw);
  std::vector<Slice> out;
  for (const FileSlice& s : raw) out.push_back({s.file, s.offset, s.length});
  return out;
}

}  // namespace

TEST_CASE("a layout gives files their offsets and cuts the stream at their borders") {
  const Layout layout{
      {file("a", 10), file("empty", 0), file("b", 5), file(".pad", 1, true), file("c", 4), file("end", 0)},
      *wire::Geometry::make(20, 8)};
  CHECK(layout.files()[2].offset == 10);
  CHECK(layout.files()[4].offset == 16);
  CHECK(layout.files()[5].offset == 20);
  CHECK(layout.files()[0].joined() == "dir/a");
  CHECK(layout.payload_bytes() == 19);

  CHECK(slices(layout, 0, 10) == std::vector<Slice>{{0, 0, 10}});
  CHECK(slices(layout, 8, 8) == std::vector<Slice>{{0, 8, 2}, {2, 0, 5}, {3, 0, 1}});
  CHECK(slices(layout, 10, 1) == std::vector<Slice>{{2, 0, 1}});
  CHECK(slices(layout, 16, 4) == std::vector<Slice>{{4, 0, 4}});
  CHECK(slices(layout, 20, 0).empty());
  CHECK(slices(layout, 7, 0).empty());
}

TEST_CASE("a layout knows which pieces touch a file") {
  const Layout layout{{file("a", 8), file("empty", 0), file("b", 1), file("c", 11)}, *wire::Geometry::make(20, 8)};
  using Range = std::pair<std::uint32_t, std::uint32_t>;
  CHECK(layout.pieces_of(0) == Range{0, 0});
  CHECK(layout.pieces_of(2) == Range{1, 1});
  CHECK(layout.pieces_of(3) == Range{1, 2});
  const auto [first, last] = layout.pieces_of(1);
  CHECK(first > last);
}

TEST_CASE("P2 slices of any stretch cover it without gap or overlap") {
  wire::Rng rng = wire::Rng::from_number(3);
  for (int round = 0; round < 50; ++round) {
    std::vector<FileEntry> files;
    std::uint64_t total = 0;
    for (std::uint64_t i = rng.below(12) + 1; i > 0; --i) {
      files.push_back(file("f" + std::to_string(i), rng.chance(0.3) ? 0 : rng.below(40)));
      total += files.back().size;
    }
    const Layout layout{files, *wire::Geometry::make(total, 16)};
    for (int i = 0; i < 40; ++i) {
      const std::uint64_t offset = rng.below(total + 1);
      const std::uint64_t length = rng.below(total - offset + 1);
      std::uint64_t at = offset;
      for (const Slice& s : slices(layout, offset, length)) {
        REQUIRE(s.length > 0);
        REQUIRE(layout.files()[s.file].offset + s.offset == at);
        REQUIRE(s.offset + s.length <= layout.files()[s.file].size);
        at += s.length;
      }
      REQUIRE(at == offset + length);
    }
  }
}

TEST_CASE("P2 a torrent of nothing but empty files has no pieces and no slices") {
  const Layout layout{{file("a", 0), file("b", 0)}, *wire::Geometry::make(0, 16)};
  CHECK(slices(layout, 0, 0).empty());
  CHECK(layout.payload_bytes() == 0);
}
