// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/scenarios/seeds.hpp"
#include "tools/sim/crowd.hpp"

namespace lodestone::tools::sim {

using namespace std::chrono_literals;

TEST_CASE("the DHT works where most nodes are behind NATs") {
  for (const std::uint64_t seed : tests::seeds()) {
    CAPTURE(seed);
    World world({.seed = seed, .links = {}});
    Crowd crowd(world, {.nodes = 400, .nat = NatMix::public_dht(), .adjust = nullptr});
    crowd.join_all(20min);

    // Everybody, NAT or not, gets into the network.
    std::size_t open = 0;
    for (const Crowd::Index index : crowd.living()) {
      open += world.nat(crowd[index].host()) == NatKind::open;
      CHECK(crowd[index].node().table_size() >= 16);
    }
    REQUIRE(open > 100);
    REQUIRE(open < 250);

    // Everybody can announce, and everybody finds it.
    struct Announced {
      wire::InfoHash hash;
      Crowd::Index by;
      Crowd::LookupTicket announce, lookup;
    };
    std::vector<Announced> all(40);
    for (Announced& a : all) {
      a.hash = world.rng().id<wire::InfoHash>();
      a.by = crowd.random();
      a.announce = crowd.get_peers(a.by, a.hash, dht::AnnounceSpec{.port = 5'000, .implied_port = false});
    }
    world.run_for(30s);
    for (Announced& a : all) {
      REQUIRE(a.announce->announced);
      CHECK(a.announce->stored.size() >= 4);
      a.lookup = crowd.get_peers(crowd.random(), a.hash);
    }
    world.run_for(30s);
    for (const Announced& a : all) {
      REQUIRE(a.lookup->done);
      CHECK(a.lookup->peers == std::vector{Endpoint{crowd[a.by].local().address, 5'000}});
    }
  }
}

TEST_CASE("T2 a node whose pinhole has closed does not stay in tables") {
  for (const std::uint64_t seed : tests::seeds()) {
    CAPTURE(seed);
    World world({.seed = seed, .links = {}});
    Crowd crowd(world, {.nodes = 300, .nat = {0, 0, 0.3}, .adjust = nullptr});
    crowd.join_all(60min);
    std::size_t entries = 0, unreachable = 0;
    for (const Crowd::Index index : crowd.living()) {
      const dht::Node& node = crowd[index].node();
      for (const dht::NodeView& entry : node.closest(wire::Key{node.id().bytes()}, 1'000)) {
        ++entries;
        const auto host = world.find(entry.endpoint.address);
        REQUIRE(host);
        unreachable += world.nat(*host) == NatKind::unreachable;
      }
    }
    // 30 % of the crowd, but hardly any of the tables. (Some are seen while a pinhole is open.)
    INFO(unreachable << " of " << entries);
    CHECK(static_cast<double>(unreachable) <= 0.05 * static_cast<double>(entries));
  }
}

}  // namespace lodestone::tools::sim
