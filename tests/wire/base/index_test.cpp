// SPDX-License-Identifier: Apache-2.0
#include "wire/base/index.hpp"

#include <type_traits>

#include <catch2/catch.hpp>

using namespace lodestone::wire;

static_assert(!std::is_convertible_v<std::uint32_t, PieceIndex>, "a raw integer of the network is no piece");
static_assert(!std::is_convertible_v<PieceIndex, std::uint32_t>);

TEST_CASE("pieces, blocks and ranges are ordered as in the torrent") {
  CHECK(PieceIndex{1} < PieceIndex{2});
  CHECK(BlockRef{PieceIndex{1}, 9} < BlockRef{PieceIndex{2}, 0});
  CHECK(BlockRef{PieceIndex{1}, 0} < BlockRef{PieceIndex{1}, 1});
  CHECK(BlockRange{PieceIndex{1}, 0, 5} < BlockRange{PieceIndex{1}, 1, 1});
  CHECK(BlockRange{PieceIndex{1}, 0, 5} == BlockRange{PieceIndex{1}, 0, 5});
  CHECK(PieceIndex{}.value() == 0);
}
