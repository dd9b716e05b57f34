// SPDX-License-Identifier: Apache-2.0
#include "dht/scrape_cache.hpp"

#include <catch2/catch.hpp>

using namespace lodestone;
using namespace std::chrono_literals;

namespace {

constexpr wire::Instant kStart{1h};

wire::Endpoint peer(std::uint32_t n) { return {wire::Address::v4(0x05000000u + n), 6881}; }
wire::Key hash_number(std::uint8_t n) {
  wire::Key k;
  k.bytes()[0] = n;
  return k;
}

}  // namespace

TEST_CASE("S7 filters are those of the store, and a pair is good for ten seconds") {
  dht::PeerStore store{kStart, wire::Family::v4, wire::NodeId{}, {500, 20'000, 5'000, 45min}, true};
  dht::ScrapeCache cache;
  CHECK(cache.find(kStart, hash_number(1), store) == nullptr);
  store.add(kStart, hash_number(1), peer(1), true);
  store.add(kStart, hash_number(1), peer(2), false);
  dht::BloomFilter one, two;
  one.insert(peer(1).address);
  two.insert(peer(2).address);
  const auto* filters = cache.find(kStart, hash_number(1), store);
  REQUIRE(filters != nullptr);
  CHECK(filters->seeds == one);
  CHECK(filters->peers == two);
  store.add(kStart, hash_number(1), peer(3), true);
  CHECK(cache.find(kStart + 9s, hash_number(1), store)->seeds == one);
  one.insert(peer(3).address);
  CHECK(cache.find(kStart + 10s, hash_number(1), store)->seeds == one);
  CHECK(cache.find(kStart + 46min, hash_number(1), store) == nullptr);
}

TEST_CASE("S7 many swarms do not mix up their filters") {
  dht::PeerStore store{kStart, wire::Family::v4, wire::NodeId{}, {500, 20'000, 5'000, 45min}, true};
  dht::ScrapeCache cache;
  for (std::uint8_t i = 0; i < 100; ++i) store.add(kStart, hash_number(i), peer(i));
  for (int round = 0; round < 3; ++round) {
    for (std::uint8_t i = 0; i < 100; ++i) {
      dht::BloomFilter expected;
      expected.insert(peer(i).address);
      REQUIRE(cache.find(kStart + round * 1s, hash_number(i), store)->peers == expected);
    }
  }
}
