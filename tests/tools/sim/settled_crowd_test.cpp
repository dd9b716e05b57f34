// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/settled_crowd.hpp"

#include <algorithm>

#include <catch2/catch.hpp>

using namespace lodestone;
using namespace lodestone::tools::sim;
using namespace std::chrono_literals;

namespace {

PopulationConfig config_of(std::size_t nodes) {
  PopulationConfig config;
  config.nodes = nodes;
  config.lasting = 4;
  config.dead = 0.4;
  return config;
}

}  // namespace

TEST_CASE("sim: a settled crowd lives on: it keeps its tables, and those who leave are replaced") {
  World world({.seed = 11, .links = {}});
  PopulationConfig config = config_of(400);
  config.churn = Churn(0.43, 20min);
  SettledCrowd crowd(world, config);
  world.run_for(10min);
  CHECK(crowd.living() == 400);
  CHECK(crowd.departures() > 20);
  CHECK(crowd.living_share(50) > 0.5);  // with sessions of less than an hour, and tables that look again each hour
  CHECK(crowd.random_open().node().table_size() > 100);
  for (int i = 0; i < 50; ++i) crowd.random_open().node().check_invariants();
}

TEST_CASE("sim: what a settled crowd hands out is as dead as its tables were asked to be") {
  for (const double dead : {0.1, 0.4}) {
    CAPTURE(dead);
    World world({.seed = 13, .links = {}});
    PopulationConfig config = config_of(2'000);
    config.dead = dead;
    SettledCrowd crowd(world, config);
    CHECK(crowd.expected_dead() == Approx(dead).margin(0.0001));
    // One in nine of the others is a full cone, and shut until its owner has sent something.
    CHECK(crowd.dead_share(500) == Approx(dead + (1 - dead) / 9).margin(0.04));
    world.run_for(60s);
    CHECK(crowd.dead_share(500) == Approx(dead).margin(0.05));
  }
}

TEST_CASE("sim: the crowd knows who is truly closest, and what they store") {
  World world({.seed = 12, .links = {}});
  SettledCrowd crowd(world, config_of(500));
  const auto stand_in = crowd.stand_in(0, nullptr);
  CHECK(stand_in->node().table_size() > 100);
  CHECK(stand_in->node().ever_answered());
  world.run_for(2s);
  wire::Rng rng = wire::Rng::from_number(1);
  const auto hash = rng.id<wire::InfoHash>();
  const wire::Key target{hash.bytes()};
  const auto all = crowd.closest_reachable(target, 10'000);
  CHECK(all.size() > 180);
  CHECK(all.size() < 270);
  CHECK(std::is_sorted(all.begin(), all.end(),
                       [&](const auto& a, const auto& b) { return wire::closer(target, a.id, b.id); }));
  const auto few = crowd.closest_reachable(target, 12);
  REQUIRE(few.size() == 12);
  for (std::size_t i = 0; i < few.size(); ++i) CHECK(few[i].id == all[i].id);

  CHECK(crowd.copies(hash) == 0);
  crowd.random_open().use([&](dht::Node& node, dht::Output& out) {
    (void)node.get_peers(world.now(), hash, dht::AnnounceSpec{.port = 1'234}, out);
  });
  world.run_for(30s);
  CHECK(crowd.copies(hash) >= 6);
  CHECK(crowd.copies(hash) <= 12);
}

TEST_CASE("sim: a crowd is the same for the same seed") {
  const auto tell = [](std::uint64_t seed) {
    World world({.seed = seed, .links = {}});
    SettledCrowd crowd(world, config_of(200));
    world.run_for(1min);
    return world.digest().value();
  };
  const std::uint64_t first = tell(1);
  CHECK(tell(1) == first);
  CHECK(tell(2) != first);
}
