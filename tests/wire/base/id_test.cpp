// SPDX-License-Identifier: Apache-2.0
#include "wire/base/id.hpp"

#include <type_traits>

#include <catch2/catch.hpp>

#include "wire/base/rng.hpp"

using namespace lodestone::wire;

static_assert(!std::is_convertible_v<InfoHash, NodeId>);
static_assert(!std::is_constructible_v<NodeId, InfoHash>);
static_assert(!std::is_convertible_v<InfoHash::Array, InfoHash>);
static_assert(std::is_constructible_v<Key, const InfoHash::Array&>);

TEST_CASE("an id is made of exactly 20 bytes or 40 hex digits") {
  const std::string hex = "000102030405060708090a0b0c0d0e0f10111213";
  const auto id = NodeId::from_hex(hex);
  REQUIRE(id);
  CHECK(id->hex() == hex);
  CHECK(id->bytes()[19] == 0x13);
  CHECK(NodeId::from_bytes(id->view()) == id);
  CHECK_FALSE(NodeId::from_bytes(id->view().first(19)));
  CHECK_FALSE(NodeId::from_bytes({}));
  CHECK_FALSE(NodeId::from_bytes(ByteVector(21)));
  CHECK_FALSE(NodeId::from_hex(hex.substr(1)));
  CHECK_FALSE(NodeId::from_hex(hex + "00"));
  CHECK_FALSE(NodeId::from_hex("zz0102030405060708090a0b0c0d0e0f10111213"));
  CHECK(NodeId{}.is_zero());
  CHECK_FALSE(id->is_zero());
}

TEST_CASE("distance is XOR and is compared from the front") {
  const auto a = *NodeId::from_hex("8000000000000000000000000000000000000001");
  const auto b = *NodeId::from_hex("8000000000000000000000000000000000000003");
  const Key target{a.bytes()};
  CHECK(distance(a, b).hex() == "0000000000000000000000000000000000000002");
  CHECK(distance(a, target).is_zero());
  CHECK(closer(target, a, b));
  CHECK_FALSE(closer(target, b, a));
  CHECK_FALSE(closer(target, a, a));
  CHECK(common_prefix(a, a) == 160);
  CHECK(common_prefix(a, b) == 158);
  CHECK(common_prefix(a, NodeId{}) == 0);
  for (int bit = 0; bit < 160; ++bit) {
    NodeId other = a;
    other.bytes()[static_cast<std::size_t>(bit / 8)] ^= static_cast<std::uint8_t>(0x80 >> (bit % 8));
    CHECK(common_prefix(a, other) == bit);
  }
}

TEST_CASE("closer, distance and common_prefix tell the same story") {
  Rng rng = Rng::from_number(7);
  for (int i = 0; i < 2000; ++i) {
    const auto target = rng.id<Key>();
    const auto a = rng.id<NodeId>();
    const auto b = rng.id<NodeId>();
    CHECK(closer(target, a, b) == (distance(target, a) < distance(target, b)));
    if (common_prefix(target, a) > common_prefix(target, b)) CHECK(closer(target, a, b));
  }
}

TEST_CASE("equal ids hash alike") {
  Rng rng = Rng::from_number(8);
  const auto a = rng.id<InfoHash>();
  const InfoHash b = a;
  CHECK(std::hash<InfoHash>{}(a) == std::hash<InfoHash>{}(b));
  CHECK(std::hash<InfoHash>{}(a) != std::hash<InfoHash>{}(rng.id<InfoHash>()));
}
