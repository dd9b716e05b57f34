// SPDX-License-Identifier: Apache-2.0
#include "dht/lookup_cache.hpp"

#include <catch2/catch.hpp>

#include "wire/base/rng.hpp"

using namespace lodestone;
using namespace std::chrono_literals;
using dht::Contact;
using dht::LookupCache;

namespace {

constexpr wire::Instant kNow{100h};

std::vector<Contact> draw(wire::Rng& rng, std::size_t n) {
  std::vector<Contact> out;
  for (std::size_t i = 0; i < n; ++i)
    out.push_back({rng.id<wire::NodeId>(), {wire::Address::v4(11, 0, 0, static_cast<std::uint8_t>(i)), 6881}});
  return out;
}

std::vector<wire::Endpoint> peers_of(std::size_t n) {
  std::vector<wire::Endpoint> out;
  for (std::size_t i = 0; i < n; ++i) out.push_back({wire::Address::v4(12, 0, 0, static_cast<std::uint8_t>(i)), 5'000});
  return out;
}

std::vector<Contact> nodes(const LookupCache& cache, wire::Instant now, const wire::Key& key) {
  std::vector<Contact> out;
  cache.for_each_node(now, key, [&](const Contact& c) { out.push_back(c); });
  return out;
}

}  // namespace

TEST_CASE("a lookup's end is remembered, nodes for a day, peers for an hour") {
  auto rng = wire::Rng::from_number(1);
  LookupCache cache{wire::Family::v4, 10};
  const auto key = rng.id<wire::Key>();
  const auto found = draw(rng, 20);
  cache.remember(kNow, key, found, peers_of(100));
  CHECK(nodes(cache, kNow + 23h, key) == std::vector<Contact>(found.begin(), found.begin() + 8));
  CHECK(nodes(cache, kNow + 24h, key).empty());
  CHECK(nodes(cache, kNow, rng.id<wire::Key>()).empty());
  const auto peers = cache.peers(kNow + 59min, key);
  REQUIRE(peers.count == LookupCache::kPeers);
  CHECK(wire::Endpoint::from_compact({peers.data + peers.stride, peers.size}) == peers_of(2)[1]);
  CHECK(cache.peers(kNow + 1h, key).count == 0);
}

TEST_CASE("a later lookup replaces what an earlier one found, one that found nothing does not") {
  auto rng = wire::Rng::from_number(1);
  LookupCache cache{wire::Family::v4, 10};
  const auto key = rng.id<wire::Key>();
  const auto first = draw(rng, 8), second = draw(rng, 3);
  cache.remember(kNow, key, first, peers_of(3));
  cache.remember(kNow + 1min, key, {}, peers_of(5));
  CHECK(cache.peers(kNow + 1min, key).count == 3);
  cache.remember(kNow + 2min, key, second, {});
  CHECK(nodes(cache, kNow + 2min, key) == second);
  CHECK(cache.peers(kNow + 2min, key).count == 0);
  CHECK(cache.size() == 1);
}

TEST_CASE("the hash looked up longest ago makes room") {
  auto rng = wire::Rng::from_number(1);
  LookupCache cache{wire::Family::v4, 3};
  std::vector<wire::Key> keys;
  const auto found = draw(rng, 8);
  for (int i = 0; i < 5; ++i) {
    keys.push_back(rng.id<wire::Key>());
    cache.remember(kNow + i * 1s, keys.back(), found, {});
    if (i == 2) cache.remember(kNow + 2500ms, keys[0], found, {});
  }
  CHECK(cache.size() == 3);
  CHECK(cache.displaced() == 2);
  const bool expected[] = {true, false, false, true, true};
  for (std::size_t i = 0; i < 5; ++i) CHECK(nodes(cache, kNow + 10s, keys[i]).empty() != expected[i]);
  LookupCache none{wire::Family::v4, 0};
  none.remember(kNow, keys[0], found, {});
  none.restore({keys[0], kNow, wire::ByteVector(26), {}});
  CHECK(none.size() == 0);
}

TEST_CASE("what comes from a file is cut to size, and does not displace what is newer") {
  auto rng = wire::Rng::from_number(1);
  LookupCache cache{wire::Family::v4, 2};
  const auto a = rng.id<wire::Key>(), b = rng.id<wire::Key>(), c = rng.id<wire::Key>();
  cache.restore({a, kNow, wire::ByteVector(25), wire::ByteVector(60)});
  CHECK(cache.size() == 0);
  cache.restore({a, kNow, wire::ByteVector(26 * 100 + 7), wire::ByteVector(6 * 100 + 5)});
  CHECK(nodes(cache, kNow, a).size() == LookupCache::kNodes);
  CHECK(cache.peers(kNow, a).count == LookupCache::kPeers);
  cache.restore({a, kNow - 1s, wire::ByteVector(26), {}});
  CHECK(nodes(cache, kNow, a).size() == LookupCache::kNodes);
  cache.restore({b, kNow + 1s, wire::ByteVector(26), {}});
  cache.restore({c, kNow - 1s, wire::ByteVector(26), {}});
  CHECK(nodes(cache, kNow, c).empty());
  cache.restore({c, kNow + 2s, wire::ByteVector(26), {}});
  CHECK(nodes(cache, kNow, a).empty());
  CHECK(nodes(cache, kNow, c).size() == 1);
}
