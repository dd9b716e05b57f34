// SPDX-License-Identifier: Apache-2.0
// What the contact store and the lookup cache are good for: the same node in the same network, with and without them.
#include <algorithm>
#include <memory>
#include <tuple>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/scenarios/seeds.hpp"
#include "tools/sim/crowd.hpp"
#include "tools/sim/hostile_node.hpp"

namespace lodestone::tools::sim {
namespace {

using namespace std::chrono_literals;

void equip(dht::NodeConfig& c) {
  c.limits.contact_store = dht::Limits::client().contact_store;
  c.limits.cached_lookups = dht::Limits::client().cached_lookups;
}

/// A crowd, hashes that it has announced, and one node more, which looks them up.
struct Vantage {
  Vantage(std::uint64_t seed, std::size_t nodes, std::size_t hash_count, bool equipped)
      : world({.seed = seed, .links = {}}), crowd(world, {.nodes = nodes, .nat = {}, .adjust = [this](auto& c) {
                                                            if (equip_next) equip(c);
                                                          }}) {
    crowd.join_all(2min);
    for (std::size_t i = 0; i < hash_count; ++i) {
      hashes.push_back(world.rng().id<wire::InfoHash>());
      (void)crowd.get_peers(crowd.random(), hashes.back(), dht::AnnounceSpec{.port = 4'000, .implied_port = false});
    }
    world.run_for(30s);
    equip_next = equipped;
    index = crowd.add();
    equip_next = false;
  }
  [[nodiscard]] const dht::Node& node() { return crowd[index].node(); }

  struct Cost {
    double asked = 0;                // per lookup
    double first_value = 0;          // seconds, median
    std::size_t failed = 0;          // found no peer
    std::size_t off = 0;             // ended somewhere else than at the closest node
    std::vector<double> all_values;  // seconds to the first, sorted
  };
  Cost look_up() {
    Cost cost;
    for (const wire::InfoHash& hash : hashes) {
      const auto report = crowd.get_peers(index, hash);
      REQUIRE(world.run_until(world.now() + 30s, [&] { return report->done; }));
      cost.asked += report->stats.asked / static_cast<double>(hashes.size());
      cost.failed += report->peers.empty();
      const auto truth = crowd.closest(wire::Key{hash.bytes()}, 1, index);
      cost.off += report->stats.closest.empty() || report->stats.closest.front().id != truth.front();
      if (report->stats.first_value) cost.all_values.push_back(wire::to_seconds(*report->stats.first_value));
      world.run_for(1s);
    }
    std::sort(cost.all_values.begin(), cost.all_values.end());
    if (!cost.all_values.empty()) cost.first_value = cost.all_values[cost.all_values.size() / 2];
    return cost;
  }

  bool equip_next = false;
  World world;
  Crowd crowd;
  std::vector<wire::InfoHash> hashes;
  Crowd::Index index = 0;
};

}  // namespace

TEST_CASE("L1 a contact store makes lookups start closer, and fills at the rate that is agreed on") {
  for (const std::uint64_t seed : tests::seeds()) {
    CAPTURE(seed);
    std::vector<Vantage::Cost> costs;
    for (const bool equipped : {false, true}) {
      Vantage vantage(seed, 1'000, 60, equipped);
      for (int s = 0; s < 90; ++s) {
        const auto before = vantage.node().counters().store_asked;
        vantage.world.run_for(1s);
        CHECK(vantage.node().counters().store_asked - before <= (s < 70 ? 201 : 7));
      }
      CHECK(vantage.node().counters().store_asked <= 200 * 60 + 6 * 30);
      CHECK((vantage.node().store_size() >= 600) == equipped);
      INFO("in store: " << vantage.node().store_size());
      vantage.node().check_invariants();
      costs.push_back(vantage.look_up());
    }
    const auto& [without, with] = std::tie(costs[0], costs[1]);
    INFO("asked " << with.asked << " against " << without.asked << ", first value after " << with.first_value
                  << " s against " << without.first_value);
    CHECK(with.failed <= 1);
    CHECK(with.off <= 6);  // 1 % loss
    // Even here, where the table knows a quarter of all nodes.
    CHECK(with.asked < 0.9 * without.asked);
    CHECK(with.first_value < 0.85 * without.first_value);
  }
}

TEST_CASE("a second lookup of a hash starts where the first has ended") {
  for (const std::uint64_t seed : tests::seeds()) {
    CAPTURE(seed);
    std::vector<Vantage::Cost> costs;
    for (const bool equipped : {false, true}) {
      Vantage vantage(seed, 600, 40, equipped);
      vantage.world.run_for(2min);
      (void)vantage.look_up();
      costs.push_back(vantage.look_up());
    }
    const auto& [without, with] = std::tie(costs[0], costs[1]);
    INFO("asked " << with.asked << " against " << without.asked << ", first value after " << with.first_value
                  << " s against " << without.first_value);
    CHECK(with.failed == 0);
    CHECK(with.off <= 4);
    // The eight that end it, and hardly anybody else.
    CHECK(with.asked <= 11);
    CHECK(with.asked < without.asked);
  }
}

TEST_CASE("L8 a store full of sybils around a hash does not hide honest announces from who starts there") {
  for (const std::uint64_t seed : tests::seeds()) {
    CAPTURE(seed);
    Vantage vantage(seed, 300, 1, true);
    const wire::InfoHash hash = vantage.hashes.front();
    std::vector<std::unique_ptr<HostileNode>> sybils;
    std::vector<dht::Contact> fellows;
    for (std::uint32_t i = 0; i < 120; ++i) {
      auto id = vantage.world.rng().id<wire::NodeId>();
      std::copy_n(hash.bytes().begin(), 3, id.bytes().begin());  // within 2^-24
      const auto address =
          wire::Address::v4(66, static_cast<std::uint8_t>(i % 24), 7, static_cast<std::uint8_t>(1 + i / 24));
      sybils.push_back(std::make_unique<HostileNode>(vantage.world, vantage.world.add_host({.address = address}),
                                                     Misbehaviour::sybil, vantage.crowd.introducer(), id));
      fellows.push_back({id, sybils.back()->local()});
    }
    for (const auto& sybil : sybils) sybil->set_fellows(fellows);
    vantage.world.run_for(20min);
    const auto by = vantage.crowd.random();
    const auto announce = vantage.crowd.get_peers(by, hash, dht::AnnounceSpec{.port = 5'000, .implied_port = false});
    REQUIRE(vantage.world.run_until(vantage.world.now() + 60s, [&] { return announce->announced; }));
    // Again and again: what the cache keeps of a lookup must not be sybils only either.
    const Endpoint expected{vantage.crowd[by].local().address, 5'000};
    int found = 0;
    for (int i = 0; i < 10; ++i) {
      const auto lookup = vantage.crowd.get_peers(vantage.index, hash);
      vantage.world.run_for(30s);
      found += std::find(lookup->peers.begin(), lookup->peers.end(), expected) != lookup->peers.end();
    }
    CHECK(found == 10);
    const dht::Snapshot saved = vantage.node().snapshot(1'800'000'000, vantage.world.now());
    const auto in_store = std::count_if(saved.store.begin(), saved.store.end(), [&](const dht::SavedContact& c) {
      return std::any_of(fellows.begin(), fellows.end(), [&](const auto& f) { return f.endpoint == c.endpoint; });
    });
    CHECK(in_store > 0);  // they were given their chance
  }
}

}  // namespace lodestone::tools::sim
