// SPDX-License-Identifier: Apache-2.0
// Ids that follow from addresses (T1, BEP 42), in a network whose nodes say where they see each other.
#include <algorithm>
#include <vector>

#include <catch2/catch.hpp>

#include "dht/node_id_security.hpp"
#include "tests/scenarios/seeds.hpp"
#include "tools/sim/crowd.hpp"

namespace lodestone::tools::sim {
namespace {

using namespace std::chrono_literals;

/// A node of its own beside the crowd, with the id that it is given.
struct Newcomer {
  Newcomer(World& world, Crowd& crowd, const wire::NodeId& id, bool private_net = false,
           const std::optional<Endpoint>& external = std::nullopt)
      : host(world.add_host({})),
        dht(world, host, 6'881, config(world, world.address(host), id, private_net, external), arena) {
    dht.on_event([this](dht::Event&& event) {
      if (const auto* changed = std::get_if<dht::event::IdChanged>(&event)) changes.push_back(*changed);
    });
    dht.join({&crowd.introducer(), 1});
  }
  static dht::NodeConfig config(World& world, const Address& address, const wire::NodeId& id, bool private_net,
                                const std::optional<Endpoint>& external) {
    auto c = public_node_config(world.rng(), address);
    c.id = id;
    c.private_net = private_net;
    c.external = external;
    return c;
  }
  dht::Output arena;
  HostId host;
  DhtHost dht;
  std::vector<dht::event::IdChanged> changes;
};

bool found(World& world, Crowd& crowd, const wire::NodeId& id) {
  const auto lookup = crowd.find_node(crowd.random(), wire::Key{id.bytes()});
  REQUIRE(world.run_until(world.now() + 15s, [&] { return lookup->done; }));
  return std::any_of(lookup->stats.closest.begin(), lookup->stats.closest.end(),
                     [&](const dht::NodeView& v) { return v.id == id; });
}

}  // namespace

TEST_CASE("T1 a node with any id takes one that its address allows, once, and is found under it") {
  for (const std::uint64_t seed : tests::seeds()) {
    CAPTURE(seed);
    World world({.seed = seed, .links = {}});
    Crowd crowd(world, {.nodes = 200, .nat = {}, .adjust = nullptr});
    crowd.join_all(5min);
    const auto random_id = world.rng().id<wire::NodeId>();
    Newcomer newcomer(world, crowd, random_id);
    world.run_for(10min);
    REQUIRE(newcomer.changes.size() == 1);
    CHECK(newcomer.changes[0].before == random_id);
    CHECK(newcomer.changes[0].now == newcomer.dht.node().id());
    CHECK(dht::id_matches(newcomer.dht.node().id(), world.address(newcomer.host)));
    CHECK(newcomer.dht.node().table_size() >= 100);
    newcomer.dht.node().check_invariants();
    CHECK(newcomer.dht.node().snapshot(0, world.now()).id == newcomer.dht.node().id());
    world.run_for(20min);
    CHECK(found(world, crowd, newcomer.dht.node().id()));
    CHECK_FALSE(found(world, crowd, random_id));
    CHECK(newcomer.changes.size() == 1);
  }
}

TEST_CASE("T1 an id that matches is kept, and so is any id in a private net") {
  for (const std::uint64_t seed : tests::seeds()) {
    CAPTURE(seed);
    World world({.seed = seed, .links = {}});
    Crowd crowd(world, {.nodes = 100, .nat = {}, .adjust = nullptr});
    crowd.join_all(5min);
    std::vector<wire::NodeId> before;
    for (const Crowd::Index i : crowd.living()) before.push_back(crowd[i].node().id());
    const auto random_id = world.rng().id<wire::NodeId>();
    Newcomer at_home(world, crowd, random_id, true);
    world.run_for(30min);
    std::size_t n = 0;
    for (const Crowd::Index i : crowd.living()) CHECK(crowd[i].node().id() == before[n++]);
    CHECK(at_home.changes.empty());
    CHECK(at_home.dht.node().id() == random_id);
    CHECK(at_home.dht.node().table_size() >= 50);
  }
}

TEST_CASE("T1 what the operator says of our address is not overruled by those who see another one") {
  for (const std::uint64_t seed : tests::seeds()) {
    CAPTURE(seed);
    World world({.seed = seed, .links = {}});
    Crowd crowd(world, {.nodes = 200, .nat = {}, .adjust = nullptr});
    crowd.join_all(5min);
    const Endpoint said{Address::v4(0x2d000001u), 7'000};
    const auto random_id = world.rng().id<wire::NodeId>();
    Newcomer newcomer(world, crowd, random_id, false, said);
    const wire::NodeId id = newcomer.dht.node().id();
    CHECK(id != random_id);
    CHECK(dht::id_matches(id, said.address));
    CHECK(newcomer.dht.node().external() == said);
    world.run_for(30min);
    CHECK(newcomer.dht.node().table_size() >= 100);
    CHECK(newcomer.changes.empty());
    CHECK(newcomer.dht.node().id() == id);
    CHECK_FALSE(dht::id_matches(id, world.address(newcomer.host)));
    CHECK(newcomer.dht.node().external() == said);
  }
}

TEST_CASE("T1 what was stored here before the id changed is given out after it") {
  for (const std::uint64_t seed : tests::seeds()) {
    CAPTURE(seed);
    World world({.seed = seed, .links = {}});
    Crowd crowd(world, {.nodes = 5, .nat = {}, .adjust = nullptr});
    crowd.join_all(1min);
    // Five voters: one too few. It stores what everybody announces, being one of six.
    Newcomer newcomer(world, crowd, world.rng().id<wire::NodeId>());
    world.run_for(1min);
    const auto hash = world.rng().id<wire::InfoHash>();
    // A datagram may get lost: some announces do not reach it.
    for (int i = 0; i < 5 && newcomer.dht.node().stored_peers(hash) == 0; ++i) {
      const auto announce =
          crowd.get_peers(crowd.random(), hash, dht::AnnounceSpec{.port = 7'000, .implied_port = false});
      REQUIRE(world.run_until(world.now() + 30s, [&] { return announce->announced; }));
    }
    REQUIRE(newcomer.dht.node().stored_peers(hash) > 0);
    for (int i = 0; i < 10; ++i) (void)crowd.add();
    world.run_for(15min);
    REQUIRE(newcomer.changes.size() == 1);
    CHECK(newcomer.dht.node().stored_peers(hash) > 0);
    newcomer.dht.node().check_invariants();
  }
}

}  // namespace lodestone::tools::sim
