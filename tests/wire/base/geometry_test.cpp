// SPDX-License-Identifier: Apache-2.0
#include "wire/base/geometry.hpp"

#include <limits>

#include <catch2/catch.hpp>

#include "wire/base/rng.hpp"

using namespace lodestone::wire;

namespace {
constexpr std::uint64_t kHuge = std::numeric_limits<std::uint64_t>::max();
}

TEST_CASE("P2 a geometry is refused when a length, a count or a sum is out of bounds") {
  const auto error = [](std::uint64_t total, std::uint64_t piece_length) {
    const auto g = Geometry::make(total, piece_length);
    REQUIRE_FALSE(g);
    return g.error();
  };
  CHECK(error(1, 0) == GeometryError::piece_length_zero);
  CHECK(error(0, 0) == GeometryError::piece_length_zero);
  CHECK(error(1, Geometry::kMaxPieceLength + std::uint64_t{1}) == GeometryError::piece_length_too_large);
  CHECK(error(1, std::uint64_t{1} << 32) == GeometryError::piece_length_too_large);
  CHECK(error(1, kHuge) == GeometryError::piece_length_too_large);
  CHECK(error(Geometry::kMaxPieces + std::uint64_t{1}, 1) == GeometryError::too_many_pieces);
  CHECK(error(std::uint64_t{Geometry::kMaxPieces} * 16384 + 1, 16384) == GeometryError::too_many_pieces);
  CHECK(error(kHuge, 16384) == GeometryError::total_too_large);
  CHECK(error(std::uint64_t{Geometry::kMaxPieces} * Geometry::kMaxPieceLength + 1, Geometry::kMaxPieceLength) ==
        GeometryError::total_too_large);
  CHECK(Geometry::make(std::uint64_t{Geometry::kMaxPieces} * Geometry::kMaxPieceLength, Geometry::kMaxPieceLength));
  CHECK(Geometry::make(Geometry::kMaxPieces, 1)->piece_count() == Geometry::kMaxPieces);
}

TEST_CASE("P2 the number of pieces is the total divided by the piece length, rounded up") {
  CHECK(Geometry::make(0, 16384)->piece_count() == 0);
  CHECK(Geometry::make(1, 16384)->piece_count() == 1);
  CHECK(Geometry::make(16384, 16384)->piece_count() == 1);
  CHECK(Geometry::make(16385, 16384)->piece_count() == 2);
  CHECK(Geometry::make(0, 16384)->total_blocks() == 0);
}

TEST_CASE("the last piece and its last block are shorter") {
  const auto g = *Geometry::make(100'000, 40'000);
  REQUIRE(g.piece_count() == 3);
  CHECK(g.length(PieceIndex{0}) == 40'000);
  CHECK(g.length(PieceIndex{2}) == 20'000);
  CHECK(g.offset(PieceIndex{2}) == 80'000);
  CHECK(g.block_count(PieceIndex{0}) == 3);
  CHECK(g.block_count(PieceIndex{2}) == 2);
  CHECK(g.block_length({PieceIndex{0}, 1}) == 16'384);
  CHECK(g.block_length({PieceIndex{0}, 2}) == 40'000 - 32'768);
  CHECK(g.block_length({PieceIndex{2}, 1}) == 20'000 - 16'384);
  CHECK(g.range(BlockRef{PieceIndex{2}, 1}) == BlockRange{PieceIndex{2}, 16'384, 3'616});
  CHECK(g.total_blocks() == 3 + 3 + 2);
}

TEST_CASE("offsets beyond 4 GiB are not cut") {
  const auto g = *Geometry::make(std::uint64_t{10} << 40, 16u << 20);
  const PieceIndex last{g.piece_count() - 1};
  CHECK(g.offset(last) == (std::uint64_t{10} << 40) - (16u << 20));
  CHECK(g.total_blocks() == (std::uint64_t{10} << 40) / kBlockSize);
}

TEST_CASE("W2 a request must lie inside one piece") {
  const auto g = *Geometry::make(100'000, 40'000);
  CHECK(g.range(0, 0, 16'384) == BlockRange{PieceIndex{0}, 0, 16'384});
  CHECK(g.range(0, 1, 39'999));
  CHECK(g.range(2, 19'999, 1) == BlockRange{PieceIndex{2}, 19'999, 1});
  CHECK_FALSE(g.range(0, 0, 0));
  CHECK_FALSE(g.range(0, 0, 40'001));
  CHECK_FALSE(g.range(0, 39'999, 2));
  CHECK_FALSE(g.range(0, 40'000, 1));
  CHECK_FALSE(g.range(2, 0, 20'001));
  CHECK_FALSE(g.range(3, 0, 1));
  CHECK_FALSE(g.range(kHuge, 0, 1));
  CHECK_FALSE(g.range(0, kHuge, 1));
  CHECK_FALSE(g.range(0, kHuge - 1, 2));
  CHECK_FALSE(g.range(0, 1, kHuge));
  const auto wide = *Geometry::make(1 << 20, 1 << 20);
  CHECK(wide.range(0, 0, Geometry::kMaxRequest));
  CHECK_FALSE(wide.range(0, 0, Geometry::kMaxRequest + 1));
  // 2^32 more than a valid number must not turn into that number.
  CHECK_FALSE(g.piece(std::uint64_t{1} << 32));
  CHECK_FALSE(g.range(0, std::uint64_t{1} << 32, 1));
  CHECK_FALSE(g.range(0, 0, (std::uint64_t{1} << 32) + 1));
}

TEST_CASE("W2 a received block must be exactly one of ours") {
  const auto g = *Geometry::make(100'000, 40'000);
  CHECK(g.block(0, 16'384, 16'384) == BlockRef{PieceIndex{0}, 1});
  CHECK(g.block(2, 16'384, 3'616) == BlockRef{PieceIndex{2}, 1});
  CHECK_FALSE(g.block(2, 16'384, 16'384));
  CHECK_FALSE(g.block(0, 0, 16'383));
  CHECK_FALSE(g.block(0, 1, 16'384));
  CHECK_FALSE(g.block(0, 49'152, 1));
  CHECK_FALSE(g.block(3, 0, 16'384));
  CHECK_FALSE(g.block(0, std::uint64_t{1} << 46, 16'384));
}

TEST_CASE("P2 blocks tile every torrent without gap or overlap") {
  Rng rng = Rng::from_number(1);
  for (int round = 0; round < 200; ++round) {
    const std::uint64_t piece_length = 1 + rng.below(100'000);
    const std::uint64_t total = rng.below(piece_length * 20);
    const auto g = *Geometry::make(total, piece_length);
    std::uint64_t at = 0;
    std::uint64_t blocks = 0;
    for (std::uint32_t p = 0; p < g.piece_count(); ++p) {
      const PieceIndex piece{p};
      REQUIRE(g.offset(piece) == at);
      for (std::uint32_t b = 0; b < g.block_count(piece); ++b) {
        const BlockRange r = g.range(BlockRef{piece, b});
        REQUIRE(g.offset(piece) + r.begin == at);
        REQUIRE(r.length > 0);
        REQUIRE(g.block(p, r.begin, r.length) == BlockRef{piece, b});
        REQUIRE(g.range(p, r.begin, r.length) == r);
        at += r.length;
        ++blocks;
      }
    }
    REQUIRE(at == total);
    REQUIRE(blocks == g.total_blocks());
  }
}
