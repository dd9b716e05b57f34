// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/population.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include <catch2/catch.hpp>

#include "dht/node_id_security.hpp"
#include "dht/routing_table.hpp"

using namespace lodestone;
using namespace lodestone::tools::sim;
using namespace std::chrono_literals;

namespace {

PopulationConfig config_of(std::size_t nodes, std::optional<double> dead) {
  PopulationConfig config;
  config.nodes = nodes;
  config.lasting = 8;
  config.dead = dead;
  return config;
}

/// What a table entry is, by the all-knowing.
struct Share {
  std::size_t all = 0, hidden = 0, gone = 0;
  [[nodiscard]] double dead() const { return static_cast<double>(hidden + gone) / static_cast<double>(all); }
};

Share share_of(const World& world, Population& population, std::size_t tables) {
  Share share;
  wire::Rng rng = wire::Rng::from_number(7);
  for (std::size_t i = 0; i < tables; ++i) {
    for (const dht::KnownContact& c : population.table_of(i, rng)) {
      ++share.all;
      const auto host = world.find(c.endpoint.address);
      const bool gone = !host;
      share.gone += gone;
      share.hidden += !gone && world.nat(*host) != NatKind::open && world.nat(*host) != NatKind::full_cone;
    }
  }
  return share;
}

}  // namespace

TEST_CASE("sim: a population's tables have as many dead contacts as it was asked for") {
  for (const double dead : {0.0, 0.01, 0.25, 0.4, 0.7}) {
    CAPTURE(dead);
    World world({.seed = 3, .links = {}});
    Population population(world, config_of(4'000, dead));
    CHECK(population.expected_dead() == Approx(dead).margin(0.0001));
    const Share share = share_of(world, population, 60);
    CHECK(share.dead() == Approx(dead).margin(0.03));
  }
}

TEST_CASE("sim: left alone, dead contacts come from the NATs and from those who have left since they answered") {
  World world({.seed = 4, .links = {}});
  Population population(world, config_of(4'000, std::nullopt));
  // A node's session outlives an hour nearly always, when it is met at a random moment; 55 % are behind NATs.
  CHECK(population.departed() > 100);
  const Share share = share_of(world, population, 60);
  CHECK(static_cast<double>(share.gone) / static_cast<double>(share.all) < 0.06);
  CHECK(static_cast<double>(share.hidden) / static_cast<double>(share.all) == Approx(0.54).margin(0.05));
}

TEST_CASE("sim: a table that is drawn fits the routing table, deepest buckets complete") {
  World world({.seed = 5, .links = {}});
  PopulationConfig config = config_of(4'000, 0.3);
  Population population(world, config);
  wire::Rng rng = wire::Rng::from_number(1);
  std::size_t neighbours = 0;
  for (std::size_t i = 0; i < 20; ++i) {
    const Resident& asker = population[i];
    CHECK(dht::id_matches(asker.id, asker.endpoint.address));
    const auto table = population.table_of(i, rng);
    dht::RoutingTable real(world.now() - config.memory, wire::Family::v4, asker.id, 8, true);
    std::set<wire::NodeId> ids;
    for (const dht::KnownContact& c : table) {
      CHECK(c.age >= Duration::zero());
      CHECK(c.age <= config.memory);
      CHECK(c.rtt > Duration::zero());
      CHECK(real.answered(world.now() - c.age, {c.id, c.endpoint}, c.rtt) == dht::RoutingTable::Outcome::added);
      ids.insert(c.id);
    }
    CHECK(ids.size() == table.size());
    CHECK(real.size() == table.size());
    real.check_invariants();
    // The closest of those who can be reached: a bucket of eight may have had to choose among a few more.
    std::vector<wire::NodeId> reachable;
    for (std::size_t j = 0; j < population.size(); ++j)
      if (j != i && (population[j].nat == NatKind::open || population[j].nat == NatKind::full_cone))
        reachable.push_back(population[j].id);
    const wire::Key own{asker.id.bytes()};
    std::sort(reachable.begin(), reachable.end(),
              [&](const auto& a, const auto& b) { return wire::closer(own, a, b); });
    for (std::size_t j = 0; j < 4; ++j) neighbours += ids.contains(reachable[j]);
  }
  CHECK(neighbours >= 20 * 4 * 8 / 10);
}

TEST_CASE("sim: the lasting ones of a population are open and stay, the others have a session each") {
  World world({.seed = 6, .links = {}});
  const Population population(world, config_of(1'000, std::nullopt));
  std::size_t open = 0;
  for (std::size_t i = 0; i < population.size(); ++i) {
    open += population[i].nat == NatKind::open;
    CHECK_FALSE(population[i].gone());
    if (i < 8) {
      CHECK(population[i].nat == NatKind::open);
      CHECK(population[i].leaves == wire::kNever);
    } else {
      CHECK(population[i].leaves > world.now());
      CHECK(population[i].leaves < wire::kNever);
    }
  }
  CHECK(static_cast<double>(open) / 1'000 == Approx(0.4).margin(0.05));
}
