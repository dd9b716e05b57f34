// SPDX-License-Identifier: Apache-2.0
#include "dht/node_id_security.hpp"

#include <set>

#include <catch2/catch.hpp>

using namespace lodestone;
using dht::derive_id;
using dht::id_matches;
using wire::Address;
using wire::NodeId;

namespace {

struct Vector {
  const char* address;
  std::uint8_t choice;
  const char* id;
};
constexpr Vector kVectors[] = {
    {"124.31.75.21", 1, "5fbfbff10c5d6a4ec8a88e4c6ab4c28b95eee401"},
    {"21.75.31.124", 86, "5a3ce9c14e7a08645677bbd1cfe7d8f956d53256"},
    {"65.23.51.170", 22, "a5d43220bc8f112a3d426c84764f8c2a1150e616"},
    {"84.124.73.14", 65, "1b0321dd1bb1fe518101ceef99462b947a01ff41"},
    {"43.213.53.83", 90, "e56f6cbf5b7c4be0237986d5243b87aa6d51305a"},
};

NodeId flipped(NodeId id, int bit) {
  id.bytes()[static_cast<std::size_t>(bit / 8)] ^= static_cast<std::uint8_t>(0x80 >> (bit % 8));
  return id;
}

}  // namespace

TEST_CASE(
    "T1 BEP 42: the five ids of the specification match their addresses, and only 21 bits and the last byte count") {
  for (const Vector& v : kVectors) {
    CAPTURE(v.address);
    const Address address = *Address::parse(v.address);
    const NodeId id = *NodeId::from_hex(v.id);
    CHECK(id_matches(id, address));
    for (int bit = 0; bit < 21; ++bit) CHECK_FALSE(id_matches(flipped(id, bit), address));
    for (int bit = 21; bit < 152; ++bit) CHECK(id_matches(flipped(id, bit), address));
    // Of the last byte, the low three bits chose the prefix.
    for (int bit = 152; bit < 157; ++bit) CHECK(id_matches(flipped(id, bit), address));
    for (int bit = 157; bit < 160; ++bit) CHECK_FALSE(id_matches(flipped(id, bit), address));
  }
}

TEST_CASE("T1 BEP 42: a derived id begins as the specification's does, and the rest is random") {
  auto rng = wire::Rng::from_number(1);
  for (const Vector& v : kVectors) {
    const Address address = *Address::parse(v.address);
    const NodeId expected = *NodeId::from_hex(v.id);
    std::set<NodeId> seen;
    for (int i = 0; i < 50; ++i) {
      const NodeId id = derive_id(address, v.choice, rng);
      CHECK(wire::common_prefix(id, expected) >= 21);
      CHECK(id.bytes()[19] == v.choice);
      seen.insert(id);
    }
    CHECK(seen.size() == 50);
  }
}

TEST_CASE("T1 BEP 42: an address allows eight prefixes, of which each is drawn") {
  auto rng = wire::Rng::from_number(2);
  for (const char* text : {"5.6.7.8", "2a01:4f8:1:2:3:4:5:6"}) {
    const Address address = *Address::parse(text);
    std::set<std::uint32_t> prefixes;
    for (int i = 0; i < 400; ++i) {
      const NodeId id = derive_id(address, rng);
      CHECK(id_matches(id, address));
      prefixes.insert(wire::load_be32(id.bytes().data()) >> 11);
    }
    CHECK(prefixes.size() == 8);
  }
}

TEST_CASE("T1 BEP 42: of a v6 address the first half counts, all of it that the mask leaves") {
  auto rng = wire::Rng::from_number(3);
  const NodeId id = derive_id(*Address::parse("2a01:4f8:1:2:3:4:5:6"), rng);
  CHECK(id_matches(id, *Address::parse("2a01:4f8:1:2:ffff:ffff:ffff:ffff")));
  CHECK_FALSE(id_matches(id, *Address::parse("2a01:4f8:1:3::1")));
}

TEST_CASE("T1 BEP 42: a random id hardly ever matches, a local address takes any") {
  auto rng = wire::Rng::from_number(4);
  int matches = 0;
  for (int i = 0; i < 20'000; ++i) matches += id_matches(rng.id<NodeId>(), Address::v4(8, 9, 10, 11));
  CHECK(matches <= 2);  // 20,000 / 2^21
  for (const char* local :
       {"127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.3.4", "fe80::1", "fd00::1"}) {
    CAPTURE(local);
    CHECK(id_matches(rng.id<NodeId>(), *Address::parse(local)));
    CHECK_FALSE(dht::ties_ids(*Address::parse(local)));
  }
}
