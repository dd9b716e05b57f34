// SPDX-License-Identifier: Apache-2.0
// Newcomers that know nobody but a bootstrap node, itself fresh or long there.
#include <algorithm>
#include <memory>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/scenarios/seeds.hpp"
#include "tools/sim/dht_host.hpp"

namespace lodestone::tools::sim {
namespace {

using namespace std::chrono_literals;

struct Member {
  Member(World& world, dht::Output& arena, NatKind nat, bool bootstrap = false)
      : host(world.add_host({.nat = nat})), dht(world, host, 6'881, config(world, host, bootstrap), arena) {
    dht.on_event([this](dht::Event&& event) {
      if (const auto* found = std::get_if<dht::event::PeersFound>(&event))
        peers.insert(peers.end(), found->peers.begin(), found->peers.end());
    });
  }
  static dht::NodeConfig config(World& world, HostId host, bool bootstrap) {
    auto c = public_node_config(world, host);
    if (!bootstrap) return c;
    c.limits = dht::Limits::bootstrap();
    c.limits.ring_size = 20'000;
    c.limits.ping_queue = 20'000;
    c.limits.visitors = 20'000;
    return c;
  }
  HostId host;
  DhtHost dht;
  std::vector<Endpoint> peers;
};

}  // namespace

TEST_CASE("T2 newcomers that know only a fresh bootstrap node find each other's announces within a minute") {
  for (const std::uint64_t seed : tests::seeds()) {
    CAPTURE(seed);
    World world({.seed = seed, .links = {}});
    dht::Output arena;
    Member door(world, arena, NatKind::open, true);
    const Endpoint introducer = door.dht.local();
    std::vector<std::unique_ptr<Member>> all;
    const auto hash = world.rng().id<wire::InfoHash>();
    for (int i = 0; i < 26; ++i) {
      all.push_back(std::make_unique<Member>(world, arena, NatKind::open));
      all.back()->dht.join({&introducer, 1});
      all.back()->dht.use([&](dht::Node& node, dht::Output& out) {
        (void)node.keep_announced(world.now(), hash, {.port = 7'000, .implied_port = false}, out);
      });
      world.run_for(500ms);
    }
    world.run_for(40s);
    for (const auto& m : all)
      m->dht.use(
          [&](dht::Node& node, dht::Output& out) { (void)node.get_peers(world.now(), hash, std::nullopt, out); });
    world.run_for(7s);
    for (const auto& m : all) {
      std::vector<Endpoint> others;
      for (const Endpoint& peer : m->peers)
        if (std::find(others.begin(), others.end(), peer) == others.end()) others.push_back(peer);
      CHECK(others.size() >= 25);
      m->dht.node().check_invariants();
    }
    CHECK(door.dht.node().ring_size() >= 22);  // a ping in fifty is lost, or its answer
    CHECK(door.dht.node().table_size() >= 20);
    door.dht.node().check_invariants();
  }
}

TEST_CASE("T2 of 500 newcomers, behind NATs for the most part, the ring keeps those that strangers reach") {
  for (const std::uint64_t seed : tests::seeds()) {
    CAPTURE(seed);
    World world({.seed = seed, .links = {}});
    dht::Output arena;
    Member door(world, arena, NatKind::open, true);
    const Endpoint introducer = door.dht.local();
    std::vector<std::unique_ptr<Member>> all;
    wire::Rng rng = world.fork_rng();
    for (int i = 0; i < 500; ++i) {
      all.push_back(std::make_unique<Member>(world, arena, NatMix::public_dht().draw(rng)));
      all.back()->dht.join({&introducer, 1});
      world.run_for(200ms);
    }
    // Early ones are in for a quarter of an hour, whatever they are.
    world.run_for(10s);
    for (const auto& m : all) CHECK(m->dht.node().table_size() >= 8);
    world.run_for(50min);
    std::size_t reached = 0, shown = 0, reachable = 0;
    dht::for_each_contact(door.dht.node().ring(), wire::Family::v4, 10'000, [&](const dht::Contact& c) {
      ++shown;
      reached += world.answers_strangers(c.endpoint);
    });
    for (const auto& m : all) reachable += world.answers_strangers(m->dht.local());
    WARN(reached << " of " << shown << " in the ring are reachable, of " << reachable << " that are");
    CHECK(static_cast<double>(reached) >= 0.9 * static_cast<double>(shown));
    CHECK(static_cast<double>(reached) >= 0.8 * static_cast<double>(reachable));
    door.dht.node().check_invariants();
  }
}

}  // namespace lodestone::tools::sim
