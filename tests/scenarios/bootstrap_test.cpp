// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/scenarios/seeds.hpp"
#include "tools/sim/crowd.hpp"

namespace lodestone::tools::sim {
namespace {

using namespace std::chrono_literals;

/// Every node looks up a random target. Returns the share of the truly closest that were found, over all nodes.
double found_share(World& world, Crowd& crowd, std::size_t per_node = 1) {
  struct Asked {
    Crowd::Index from;
    wire::Key target;
    Crowd::LookupTicket report;
  };
  std::vector<Asked> asked;
  for (const Crowd::Index from : crowd.living())
    for (std::size_t i = 0; i < per_node; ++i) asked.push_back({from, world.rng().id<wire::Key>(), nullptr});
  // Spread, so that no node is flooded by its neighbours' curiosity.
  const double gap = 60.0 / static_cast<double>(asked.size());
  for (Asked& a : asked) {
    a.report = crowd.find_node(a.from, a.target);
    world.run_for(wire::from_seconds(gap));
  }
  world.run_for(20s);
  std::size_t expected = 0, found = 0;
  for (const Asked& a : asked) {
    CHECK(a.report->done);
    for (const wire::NodeId& id : crowd.closest(a.target, 8, a.from)) {
      ++expected;
      const auto& closest = a.report->stats.closest;
      found += std::any_of(closest.begin(), closest.end(), [&](const dht::NodeView& n) { return n.id == id; });
    }
  }
  return static_cast<double>(found) / static_cast<double>(expected);
}

/// `settle`: in a network of hundreds newcomers are verified 90 s to 15 min after they turned up (T2), and those who
/// came last fill their tables with the first refresh of their buckets, after 15 min (T6).
void bootstrap(std::size_t nodes, Duration settle, std::size_t least_table, std::size_t lookups_per_node) {
  for (const std::uint64_t seed : tests::seeds()) {
    CAPTURE(seed, nodes);
    World world({.seed = seed, .links = {}});
    Crowd crowd(world, {.nodes = nodes, .nat = {}, .adjust = nullptr});
    crowd.join_all(settle);
    REQUIRE(crowd.size() == nodes);
    for (const Crowd::Index index : crowd.living()) {
      CAPTURE(index);
      CHECK(crowd[index].node().table_size() >= least_table);
      crowd[index].node().check_invariants();
    }
    CHECK(found_share(world, crowd, lookups_per_node) >= 0.95);
  }
}

}  // namespace

TEST_CASE("a network of 2 nodes finds itself") { bootstrap(2, 10s, 1, 150); }

// Long enough for a question that is lost to be asked again.
TEST_CASE("a network of 5 nodes knows itself wholly") { bootstrap(5, 30s, 4, 60); }

TEST_CASE("300 nodes bootstrap from one introducer and find the closest of any target") {
  bootstrap(300, 20min, 32, 1);
}

TEST_CASE("3,000 nodes bootstrap from one introducer and find the closest of any target") {
  bootstrap(3'000, 20min, 48, 1);
}

TEST_CASE("T2 a node that joins a network of 300 has a table within seconds") {
  for (const std::uint64_t seed : tests::seeds()) {
    CAPTURE(seed);
    World world({.seed = seed, .links = {}});
    Crowd crowd(world, {.nodes = 300, .nat = {}, .adjust = nullptr});
    crowd.join_all(60s);
    const Crowd::Index late = crowd.add();
    world.run_for(5s);
    CHECK(crowd[late].node().ever_answered());
    CHECK(crowd[late].node().table_size() >= 12);
  }
}

TEST_CASE("T6 in a network of 60 everybody knows nearly everybody within two minutes") {
  for (const std::uint64_t seed : tests::seeds()) {
    CAPTURE(seed);
    World world({.seed = seed, .links = {}});
    Crowd crowd(world, {.nodes = 60, .nat = {}, .adjust = nullptr});
    crowd.join_all(2min);
    for (const Crowd::Index i : crowd.living()) CHECK(crowd[i].node().table_size() >= 50);
  }
}

TEST_CASE("T6 a node that joins a grown network has a full table within two minutes, at a gentle rate") {
  for (const std::uint64_t seed : tests::seeds()) {
    CAPTURE(seed);
    World world({.seed = seed, .links = {}});
    Crowd crowd(world, {.nodes = 1'000, .nat = {}, .adjust = nullptr});
    crowd.join_all(20min);
    const Crowd::Index late = crowd.add();
    const dht::Node& node = crowd[late].node();
    const Instant joined = world.now();
    while (world.now() < joined + 2min) {
      const std::uint64_t before = node.counters().queries_out;
      world.run_for(10s);
      CHECK(node.counters().queries_out - before <= 10 * 50);
    }
    INFO(node.table_size() << " contacts by " << node.counters().queries_out << " queries");
    CHECK(node.table_size() >= 150);
    CHECK(node.counters().queries_out <= 1'200);
    // And it knows its neighbours.
    const wire::Key own{node.id().bytes()};
    const std::vector<wire::NodeId> true_closest = crowd.closest(own, 8, late);
    const std::vector<dht::NodeView> known = node.closest(own, 12);
    CHECK(std::count_if(true_closest.begin(), true_closest.end(), [&](const wire::NodeId& id) {
            return std::any_of(known.begin(), known.end(), [&](const dht::NodeView& n) { return n.id == id; });
          }) >= 7);
    // Then there is peace.
    const std::uint64_t before = node.counters().queries_out;
    world.run_for(5min);
    CHECK(node.counters().queries_out - before <= 150);
  }
}

TEST_CASE("T2 whoever has joined a grown network is found within four minutes") {
  for (const std::uint64_t seed : tests::seeds()) {
    CAPTURE(seed);
    World world({.seed = seed, .links = {}});
    Crowd crowd(world, {.nodes = 1'000, .nat = {}, .adjust = nullptr});
    crowd.join_all(20min);
    std::vector<Crowd::Index> newcomers;
    for (int i = 0; i < 10; ++i) newcomers.push_back(crowd.add());
    world.run_for(4min);
    std::vector<Crowd::LookupTicket> lookups;
    for (const Crowd::Index index : newcomers)
      lookups.push_back(crowd.find_node(crowd.random(), wire::Key{crowd[index].node().id().bytes()}));
    world.run_for(20s);
    int found = 0;
    for (std::size_t i = 0; i < newcomers.size(); ++i) {
      REQUIRE(lookups[i]->done);
      const auto& closest = lookups[i]->stats.closest;
      found += !closest.empty() && closest.front().id == crowd[newcomers[i]].node().id();
    }
    CHECK(found >= 8);  // over many seeds 96 to 98 of 100: one query in fifty is lost, or its answer
  }
}

TEST_CASE("T9 a node whose introducer is away at first gets in when it comes back") {
  for (const std::uint64_t seed : tests::seeds()) {
    CAPTURE(seed);
    World world({.seed = seed, .links = {}});
    Crowd crowd(world, {.nodes = 20, .nat = {}, .join_window = 10s, .adjust = nullptr});
    crowd.join_all(30s);
    const HostId door = crowd[crowd.living().front()].host();
    world.set_up(door, false);
    // Introduced by nobody but the one that is away.
    dht::Output arena;
    wire::Rng rng = world.fork_rng();
    const HostId host = world.add_host({});
    DhtHost late(world, host, 6881, public_node_config(rng, world.address(host)), arena);
    late.join(std::vector{crowd.introducer()});
    world.run_for(3min);
    CHECK_FALSE(late.node().ever_answered());
    world.set_up(door, true);
    CHECK(world.run_until(world.now() + 5min, [&] { return late.node().table_size() >= 8; }));
  }
}

}  // namespace lodestone::tools::sim
