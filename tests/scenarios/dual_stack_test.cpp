// SPDX-License-Identifier: Apache-2.0
// Machines on both families beside many on one (BEP 32): the DHT of the one leads into that of the other.
#include <memory>
#include <optional>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/scenarios/seeds.hpp"
#include "tools/sim/dht_host.hpp"

namespace lodestone::tools::sim {
namespace {

using namespace std::chrono_literals;
using wire::Family;

constexpr std::uint16_t kPort = 6881;

/// A node on each family.
struct Machine {
  std::unique_ptr<DhtHost> four, six;  // null: it has no such address
  [[nodiscard]] DhtHost& on(Family family) { return family == Family::v4 ? *four : *six; }
};

class DualStack {
 public:
  explicit DualStack(std::uint64_t seed) : world({.seed = seed, .links = {}}) {}

  World world;
  std::vector<Machine> machines;

  /// The first machine is on both families.
  std::size_t add(bool four, bool six) {
    Machine machine;
    if (four) machine.four = host(std::nullopt, Family::v4);
    if (six) {
      std::array<std::uint8_t, 16> raw{0x26, 0x00};
      wire::store_be32(raw.data() + 4, static_cast<std::uint32_t>(machines.size()));
      raw[15] = 1;
      machine.six = host(Address::v6(raw), Family::v6);
    }
    if (four && six) {
      machine.four->set_sister(*machine.six);
      machine.six->set_sister(*machine.four);
    }
    machines.push_back(std::move(machine));
    return machines.size() - 1;
  }
  void join(std::size_t machine, Family family) {
    const Endpoint introducer = machines[0].on(family).local();
    machines[machine].on(family).join({&introducer, 1});
  }
  /// Three machines on v4 for one on both; each knows the first on each of its families.
  void settle() {
    add(true, true);
    for (int i = 1; i < 200; ++i) {
      const bool dual = i % 4 == 0;
      const std::size_t made = add(true, dual);
      join(made, Family::v4);
      if (dual) join(made, Family::v6);
      world.run_for(200ms);
    }
    world.run_for(2min);
  }

 private:
  std::unique_ptr<DhtHost> host(std::optional<Address> address, Family family) {
    const HostId id = world.add_host({.nat = NatKind::open, .address = address});
    dht::NodeConfig config = public_node_config(world, id);
    config.family = family;
    return std::make_unique<DhtHost>(world, id, kPort, std::move(config), arena_);
  }
  dht::Output arena_;
};

}  // namespace

TEST_CASE("T9 a machine that knows an introducer of one family only has tables of both within seconds") {
  for (const std::uint64_t seed : tests::seeds()) {
    DualStack net(seed);
    net.settle();
    for (const Family known : {Family::v4, Family::v6}) {
      const Family blind = known == Family::v4 ? Family::v6 : Family::v4;
      std::vector<std::size_t> newcomers;
      for (int i = 0; i < 10; ++i) {
        newcomers.push_back(net.add(true, true));
        net.join(newcomers.back(), known);
      }
      net.world.run_for(10s);
      for (const std::size_t i : newcomers) {
        CAPTURE(seed, i, known == Family::v4);
        CHECK(net.machines[i].on(known).node().table_size() >= 12);
        CHECK(net.machines[i].on(blind).node().table_size() >= 12);
      }
      net.world.run_for(50s);
      // And what one of them announces there another one finds.
      const auto hash = net.world.rng().id<wire::InfoHash>();
      DhtHost& from = net.machines[newcomers[0]].on(blind);
      DhtHost& by = net.machines[newcomers[1]].on(blind);
      from.use([&](dht::Node& n, dht::Output& out) {
        return n.get_peers(net.world.now(), hash, dht::AnnounceSpec{.port = 4'000}, out);
      });
      net.world.run_for(10s);
      std::vector<Endpoint> found;
      by.on_event([&](dht::Event&& event) {
        if (const auto* peers = std::get_if<dht::event::PeersFound>(&event))
          found.insert(found.end(), peers->peers.begin(), peers->peers.end());
      });
      by.use([&](dht::Node& n, dht::Output& out) { return n.get_peers(net.world.now(), hash, std::nullopt, out); });
      net.world.run_for(10s);
      by.on_event(nullptr);
      CHECK(found == std::vector{Endpoint{from.local().address, 4'000}});
    }
    for (Machine& machine : net.machines) {
      machine.four->node().check_invariants();
      if (machine.six) machine.six->node().check_invariants();
    }
  }
}

TEST_CASE("T9 an address without a route costs a few queries a minute, and works within minutes when it has one") {
  for (const std::uint64_t seed : tests::seeds()) {
    CAPTURE(seed);
    DualStack net(seed);
    net.settle();
    const std::size_t me = net.add(true, true);
    const dht::Node& six = net.machines[me].six->node();
    net.world.set_up(net.machines[me].six->host(), false);
    net.join(me, Family::v4);
    net.world.run_for(1h);
    CHECK(net.machines[me].four->node().table_size() >= 32);
    CHECK_FALSE(six.ever_answered());
    const auto asked = six.counters().queries_out;
    CHECK(asked >= 32);
    CHECK(asked <= 32 * (8 + 15));
    net.world.set_up(net.machines[me].six->host(), true);
    net.world.run_for(10min);
    CHECK(six.table_size() >= 12);
  }
}

}  // namespace lodestone::tools::sim
