// SPDX-License-Identifier: Apache-2.0
// `dht size` in a network with loss and latency: lookups as they are made, counted as they are counted there.
#include <algorithm>
#include <cmath>
#include <iterator>
#include <vector>

#include <catch2/catch.hpp>

#include "dht/size_estimate.hpp"
#include "tests/scenarios/seeds.hpp"
#include "tools/sim/crowd.hpp"

namespace lodestone::tools::sim {

using namespace std::chrono_literals;

TEST_CASE("a network of 400 is estimated at 400, wherever from, and the interval says how well") {
  constexpr std::size_t kNodes = 400;
  constexpr int kAskers = 10, kLookups = 16;
  for (const std::uint64_t seed : tests::seeds()) {
    CAPTURE(seed);
    World world({.seed = seed, .links = {}});
    Crowd crowd(world, {.nodes = kNodes, .nat = {}, .adjust = nullptr});
    crowd.join_all(10min);
    const auto others = static_cast<double>(kNodes - 1);
    int inside = 0;
    double sum = 0;
    for (int i = 0; i < kAskers; ++i) {
      const Crowd::Index asker = crowd.random();
      std::vector<Crowd::LookupTicket> lookups;
      std::generate_n(std::back_inserter(lookups), kLookups,
                      [&] { return crowd.find_node(asker, world.rng().id<wire::Key>()); });
      REQUIRE(world.run_until(world.now() + 1min, [&] {
        return std::all_of(lookups.begin(), lookups.end(), [](const auto& l) { return l->done; });
      }));
      dht::SizeEstimate estimate(8);
      for (const auto& lookup : lookups) {
        std::vector<wire::NodeId> closest;
        for (const dht::NodeView& node : lookup->stats.closest) closest.push_back(node.id);
        estimate.add(lookup->stats.target, closest);
      }
      const auto result = estimate.result();
      REQUIRE(result);
      CHECK(result->lookups == kLookups);
      CHECK(std::abs(result->nodes - others) < others * 0.45);  // five standard deviations
      inside += result->low <= others && others <= result->high;
      sum += result->nodes;
    }
    CHECK(inside >= kAskers * 7 / 10);
    CHECK(std::abs(sum / kAskers - others) < others * 0.15);
  }
}

}  // namespace lodestone::tools::sim
