// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/scenarios/seeds.hpp"
#include "tools/sim/crowd.hpp"

namespace lodestone::tools::sim {

using namespace std::chrono_literals;

TEST_CASE("with sessions of minutes tables stay mostly alive and announcements are still found") {
  for (const std::uint64_t seed : tests::seeds()) {
    CAPTURE(seed);
    World world({.seed = seed, .links = {}});
    Crowd crowd(world, {.nodes = 500, .nat = {}, .adjust = nullptr});
    crowd.join_all(5min);
    // Half stay less than 25 min, the mean is 47: many times harsher than the public DHT.
    crowd.start_churn(Churn(0.7, 40min));
    world.run_for(30min);

    struct Kept {
      wire::InfoHash hash;
      Crowd::Index by;
      Crowd::LookupTicket lookup;
    };
    std::vector<Kept> all;
    for (int i = 0; i < 60; ++i) {
      Kept k{world.rng().id<wire::InfoHash>(), crowd.random(), nullptr};
      crowd[k.by].use([&](dht::Node& node, dht::Output& out) {
        (void)node.keep_announced(world.now(), k.hash, {.port = 7'000, .implied_port = false}, out);
      });
      all.push_back(k);
    }
    const std::uint64_t before = crowd.departures();
    world.run_for(60min);
    INFO("departures in the hour: " << crowd.departures() - before);
    CHECK(crowd.departures() - before > 250);
    CHECK(crowd.size() == 500);
    CHECK(crowd.living_share_of_tables(1'000) >= 0.7);
    for (const Crowd::Index index : crowd.living()) crowd[index].node().check_invariants();

    // Who announced and is still here must be found; the hashes of those who left may or may not be.
    std::erase_if(all, [&](const Kept& k) { return !crowd.alive(k.by); });
    REQUIRE(all.size() >= 5);
    for (Kept& k : all) k.lookup = crowd.get_peers(crowd.living().front(), k.hash);
    world.run_for(60s);
    std::size_t found = 0;
    for (const Kept& k : all) {
      if (!crowd.alive(k.by)) continue;
      CHECK(k.lookup->done);
      const Endpoint expected{crowd[k.by].local().address, 7'000};
      found += std::find(k.lookup->peers.begin(), k.lookup->peers.end(), expected) != k.lookup->peers.end();
    }
    INFO(found << " of " << all.size() << " found");
    // Of the 8 that stored it last time up to 25 min ago a few are still there, nearly always.
    CHECK(static_cast<double>(found) >= 0.85 * static_cast<double>(all.size()));
  }
}

TEST_CASE("a node that was cut off for ten minutes finds back into the network") {
  for (const std::uint64_t seed : tests::seeds()) {
    CAPTURE(seed);
    World world({.seed = seed, .links = {}});
    Crowd crowd(world, {.nodes = 200, .nat = {}, .adjust = nullptr});
    crowd.join_all(10min);
    const Crowd::Index me = crowd.random();
    world.set_up(crowd[me].host(), false);
    world.run_for(10min);
    world.set_up(crowd[me].host(), true);
    // If its table has run empty meanwhile, it waits at most 2 min (and jitter) until it asks its introducers again.
    world.run_for(7min);
    CHECK(crowd[me].node().table_size() >= 16);
    const wire::Key target = world.rng().id<wire::Key>();
    const auto lookup = crowd.find_node(me, target);
    world.run_for(15s);
    CHECK(lookup->done);
    CHECK(lookup->stats.closest.size() == 8);
  }
}

}  // namespace lodestone::tools::sim
