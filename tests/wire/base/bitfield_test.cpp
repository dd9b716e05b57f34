// SPDX-License-Identifier: Apache-2.0
#include "wire/base/bitfield.hpp"

#include <vector>

#include <catch2/catch.hpp>

#include "wire/base/rng.hpp"

using namespace lodestone::wire;

TEST_CASE("W2 a bitfield has exactly the right length and no spare bits") {
  const ByteVector good{0b1010'0000, 0b1100'0000};
  const auto b = Bitfield::from_wire(good, 10);
  REQUIRE(b);
  CHECK(b->count() == 4);
  CHECK(b->test(PieceIndex{0}));
  CHECK_FALSE(b->test(PieceIndex{1}));
  CHECK(b->test(PieceIndex{9}));
  CHECK(ByteVector(b->wire().begin(), b->wire().end()) == good);

  CHECK_FALSE(Bitfield::from_wire(good, 8));
  CHECK_FALSE(Bitfield::from_wire(good, 9));  // the tenth bit is spare now
  CHECK_FALSE(Bitfield::from_wire(good, 17));
  CHECK_FALSE(Bitfield::from_wire({}, 1));
  CHECK(Bitfield::from_wire({}, 0));
  CHECK_FALSE(Bitfield::from_wire(ByteVector{0}, 0));
  CHECK_FALSE(Bitfield::from_wire(ByteVector{0xff, 0xff, 0xff}, 16));
  CHECK(Bitfield::from_wire(ByteVector{0xff, 0xff}, 16)->all());
  for (std::uint32_t spare = 1; spare < 8; ++spare) {
    const ByteVector one{static_cast<std::uint8_t>(1u << (spare - 1))};
    CHECK_FALSE(Bitfield::from_wire(one, 8 - spare));
    CHECK(Bitfield::from_wire(one, 8 - spare + 1)->count() == 1);
  }
  CHECK_FALSE(Bitfield::from_wire(good, 0xffffffff));  // must not wrap to a length of nothing
  CHECK_FALSE(Bitfield::from_wire({}, 0xffffffff));
}

TEST_CASE("set and reset say whether something changed and keep the count") {
  Bitfield b{11};
  CHECK(b.none());
  CHECK(b.set(PieceIndex{10}));
  CHECK_FALSE(b.set(PieceIndex{10}));
  CHECK(b.count() == 1);
  CHECK(b.wire()[1] == 0b0010'0000);
  CHECK(b.reset(PieceIndex{10}));
  CHECK_FALSE(b.reset(PieceIndex{10}));
  CHECK(b.none());
  CHECK(b == Bitfield{11});
}

TEST_CASE("a full bitfield leaves the spare bits clear") {
  for (std::uint32_t n = 0; n < 40; ++n) {
    const Bitfield full{n, true};
    CHECK(full.all());
    CHECK(full.count() == n);
    CHECK(Bitfield::from_wire(full.wire(), n) == full);
    Bitfield emptied = full;
    emptied.fill(false);
    CHECK(emptied == Bitfield{n});
  }
  CHECK(Bitfield{}.all());
  CHECK(Bitfield{}.none());
}

TEST_CASE("lacks_any_of agrees with a comparison bit by bit") {
  Rng rng = Rng::from_number(1);
  for (int round = 0; round < 500; ++round) {
    const auto n = static_cast<std::uint32_t>(1 + rng.below(30));
    Bitfield mine{n};
    Bitfield theirs{n};
    bool lacks = false;
    std::uint32_t count = 0;
    for (std::uint32_t i = 0; i < n; ++i) {
      const bool m = rng.chance(0.9);
      const bool t = rng.chance(0.2);
      if (m) mine.set(PieceIndex{i});
      if (t) theirs.set(PieceIndex{i});
      lacks = lacks || (t && !m);
      count += m ? 1 : 0;
    }
    REQUIRE(mine.count() == count);
    REQUIRE(mine.lacks_any_of(theirs) == lacks);
    REQUIRE_FALSE(theirs.lacks_any_of(theirs));
  }
}
