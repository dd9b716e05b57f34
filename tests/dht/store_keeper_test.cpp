// SPDX-License-Identifier: Apache-2.0
#include "dht/store_keeper.hpp"

#include <map>
#include <set>

#include <catch2/catch.hpp>

using namespace lodestone;
using namespace std::chrono_literals;
using dht::Contact;
using dht::ContactStore;
using dht::StoreKeeper;

namespace {

constexpr wire::Instant kStart{1h};

/// A store and its keeper in a network of `world` nodes, each of which answers at once and names 8 of them.
struct Kept {
  Kept(std::size_t capacity, std::size_t world)
      : store(kStart, wire::NodeId{}, {wire::Family::v4, capacity, true}, rng), keeper(capacity, {}) {
    for (std::uint32_t i = 0; i < world; ++i)
      nodes.push_back({rng.id<wire::NodeId>(), {wire::Address::v4(0x0b000001u + (i << 8)), 6881}});
  }
  void fill_store(std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) store.answered(now, nodes[i], 1ms);
  }
  /// Lets time go by as a node would; returns the queries.
  std::size_t run(wire::Duration d, bool answer = true) {
    const wire::Instant end = now + d;
    std::size_t queries = 0;
    while (keeper.next_deadline() <= end) {
      now = std::max(now, keeper.next_deadline());
      while (const auto c = keeper.take_due(now, store)) {
        ++queries;
        ++asked[c->endpoint];
        if (!answer) {
          store.failed(*c);
          continue;
        }
        store.answered(now, *c, 1ms);
        for (int i = 0; i < 8; ++i) keeper.named(now, nodes[rng.below(nodes.size())], store);
      }
      REQUIRE(keeper.next_deadline() > now);
    }
    now = end;
    return queries;
  }

  wire::Rng rng = wire::Rng::from_number(11);
  wire::Instant now = kStart;
  std::vector<Contact> nodes;
  std::map<wire::Endpoint, int> asked;
  ContactStore store;
  StoreKeeper keeper;
};

}  // namespace

TEST_CASE("the store is filled to 2,000 at no more than 200 queries a second, and not before the node has joined") {
  Kept k(10'000, 50'000);
  k.fill_store(30);
  for (std::size_t i = 30; i < 60; ++i) k.keeper.named(k.now, k.nodes[i], k.store);
  CHECK(k.keeper.next_deadline() == wire::kNever);
  k.keeper.begin(k.now);
  for (int s = 0; s < 10; ++s) {
    const auto queries = k.run(1s);
    CHECK(queries <= 201);
    if (s < 8) CHECK(queries >= 190);
  }
  CHECK(k.store.good() >= 1'800);
  // The rest of the minute is for hearing of others from those that are known.
  k.asked.clear();
  CHECK(k.run(49s) >= 4 * 1'800);
  CHECK(k.store.good() < 1'810);
  CHECK(k.asked.size() < 1'810);
  for (const auto& [endpoint, times] : k.asked) CHECK(times <= 5);  // of each every ten seconds at most
  // From there it grows slowly.
  k.run(1s);
  const auto queries = k.run(120s);
  CHECK(queries <= 6 * 120 + 1);
  CHECK(k.store.good() > 2'000);
}

TEST_CASE("filling ends as soon as 2,000 are there, whoever has brought them") {
  Kept k(10'000, 50'000);
  k.fill_store(1'900);
  k.now += 10s;
  k.keeper.begin(k.now);
  CHECK(k.run(10s) >= 1'700);
  k.fill_store(2'200);
  REQUIRE(k.store.good() >= 2'000);
  k.run(1s);
  CHECK(k.run(20s) <= 6 * 20 + 1);
}

TEST_CASE("a small store is filled and no more") {
  Kept k(1'000, 50'000);
  for (std::size_t i = 0; i < 30; ++i) k.keeper.named(k.now, k.nodes[i], k.store);
  k.keeper.begin(k.now);
  k.run(10s);
  CHECK(k.store.size() == 1'000);
  CHECK(k.run(20s) <= 6 * 20 + 1);
}

TEST_CASE("filling ends after a minute, whatever it has brought") {
  Kept k(10'000, 50'000);
  k.fill_store(1'000);
  k.keeper.begin(k.now);
  CHECK(k.run(60s, false) <= 200 * 60);
  for (const Contact& c : k.nodes) k.keeper.named(k.now, c, k.store);
  CHECK(k.run(10min, false) <= 6 * 600 + 1);
}

TEST_CASE("upkeep costs 6 queries a second at 10,000 and 60 at 100,000") {
  for (const std::size_t n : {10'000u, 100'000u}) {
    Kept k(n, n + 1'000);
    k.fill_store(n);
    k.keeper.begin(k.now);
    k.now += 1h;
    const auto queries = k.run(100s);
    CHECK(queries <= n / 10'000 * 600 + 1);
    CHECK(queries >= n / 10'000 * 600 * 9 / 10);
    for (const auto& [endpoint, times] : k.asked) CHECK(times == 1);
  }
}

TEST_CASE("T6 every contact of the store is asked in its turn") {
  Kept k(500, 500);
  k.fill_store(480);
  k.keeper.begin(k.now);
  k.now += 1h;
  k.run(3min);
  CHECK(k.asked.size() >= k.store.size() - 5);
  k.asked.clear();
  k.run(10min);
  CHECK(k.asked.empty());  // all have been heard of within 15 min
  k.run(10min);
  CHECK(k.asked.size() >= k.store.size() - 5);
}

TEST_CASE("a tiny network is not pestered") {
  Kept k(10'000, 16);
  k.fill_store(15);
  k.keeper.begin(k.now);
  const auto queries = k.run(1h - 1s);
  INFO(queries);
  // For a minute each 10 s, then each 15 min.
  CHECK(queries <= 16 * (6 + 4));
  for (const auto& [endpoint, times] : k.asked) CHECK(times <= 6 + 4);
}

TEST_CASE("a node that was named many times is asked once") {
  Kept k(1'000, 1);
  const Contact dead{k.rng.id<wire::NodeId>(), {wire::Address::v4(12, 0, 0, 1), 1}};
  k.keeper.begin(k.now);
  for (int i = 0; i < 100; ++i) {
    k.keeper.named(k.now, dead, k.store);
    k.run(5s, false);
  }
  CHECK(k.asked[dead.endpoint] == 1);
}

TEST_CASE("what was named is bounded") {
  Kept k(10'000, 50'000);
  k.keeper.begin(k.now);
  for (const Contact& c : k.nodes) k.keeper.named(k.now, c, k.store);
  CHECK(k.keeper.frontier() <= 1'024);
  StoreKeeper none(0, {});
  none.begin(k.now);
  none.named(k.now, k.nodes[0], k.store);
  CHECK(none.frontier() == 0);
  CHECK(none.next_deadline() == wire::kNever);
}
