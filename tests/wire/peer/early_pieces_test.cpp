// SPDX-License-Identifier: Apache-2.0
#include "wire/peer/early_pieces.hpp"

#include <array>

#include <catch2/catch.hpp>

using namespace lodestone::wire;

namespace {

const Geometry kTen = *Geometry::make(10 * 32768, 32768);

EarlyPieces fresh() { return EarlyPieces{EarlyPieces::Limits{}}; }

}  // namespace

TEST_CASE("W1 early haves are counted up to 2000 and validated when the geometry comes") {
  EarlyPieces e = fresh();
  for (std::uint32_t i = 0; i < 2'000; ++i) REQUIRE(e.add_have(i % 10));
  CHECK_FALSE(e.add_have(0));
  CHECK(e.bytes() == 8'000);
  const auto pieces = e.pieces(kTen);
  REQUIRE((pieces && *pieces));
  CHECK((*pieces)->all());

  EarlyPieces beyond = fresh();
  REQUIRE(beyond.add_have(10));
  CHECK(beyond.pieces(kTen).error() == PeerError::index_out_of_range);
}

TEST_CASE("W1 an early bitfield takes haves in without growing") {
  EarlyPieces e = fresh();
  const std::array<std::uint8_t, 2> raw{0x80, 0x00};
  e.set_bitfield(raw);
  for (int i = 0; i < 5'000; ++i) REQUIRE(e.add_have(9));
  CHECK(e.bytes() == 2);
  const auto pieces = e.pieces(kTen);
  REQUIRE((pieces && *pieces));
  CHECK((*pieces)->count() == 2);
  CHECK((*pieces)->test(PieceIndex{9}));
}

TEST_CASE("W2 an early bitfield of the wrong length or with spare bits is found out later") {
  for (const ByteVector& raw : {ByteVector{0xff}, ByteVector{0xff, 0xc0, 0}, ByteVector{0xff, 0xe0}}) {
    EarlyPieces e = fresh();
    e.set_bitfield(raw);
    CHECK(e.pieces(kTen).error() == PeerError::bitfield_invalid);
  }
}

TEST_CASE("early have-all, have-none and silence are three different things") {
  EarlyPieces e = fresh();
  CHECK_FALSE(e.pieces(kTen)->has_value());
  e.set_all_or_none(false);
  CHECK((*e.pieces(kTen))->none());
  REQUIRE(e.add_have(3));
  CHECK((*e.pieces(kTen))->count() == 1);
  e.clear();
  e.set_all_or_none(true);
  for (int i = 0; i < 5'000; ++i) REQUIRE(e.add_have(9));
  CHECK(e.bytes() == 0);
  CHECK((*e.pieces(kTen))->all());
}

TEST_CASE("early allowed-fast pieces beyond 32 are forgotten") {
  EarlyPieces e = fresh();
  for (std::uint32_t i = 0; i < 100; ++i) e.add_allowed_fast(i);
  CHECK(e.allowed_fast().size() == 32);
}
