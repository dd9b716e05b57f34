// SPDX-License-Identifier: Apache-2.0
// The contact store and the lookup cache at work in a network of real nodes.
#include <catch2/catch.hpp>

#include "dht/snapshot.hpp"
#include "tests/support/dht_network.hpp"

using namespace lodestone;
using namespace std::chrono_literals;
using dht::event::LookupDone;
using dht::event::PeersFound;

namespace {

constexpr wire::UnixSeconds kWall = 1'800'000'000;

/// A network whose nodes have small tables' worth of neighbours and no store, but for those a test adds.
struct World {
  explicit World(std::size_t nodes) : network(7, wire::Family::v4, false) {
    for (std::size_t i = 0; i < nodes; ++i) {
      (void)add(0);
      if (i > 0) network.introduce(i, 0);
      network.run_for(50ms);
    }
    network.run_for(2min);
  }
  std::size_t add(std::size_t store) {
    auto config = network.config();
    config.policy = {};
    config.policy.allow(wire::AddressKind::global);
    config.limits.contact_store = store;
    if (store == 0) config.limits.cached_lookups = 0;
    return network.add(config);
  }
  dht::LookupStats find(std::size_t i, const wire::InfoHash& hash, std::optional<dht::AnnounceSpec> announce = {}) {
    network.host(i).events.clear();
    network.call(i, [&](dht::Node& n, dht::Output& out) { n.get_peers(network.now(), hash, announce, out); });
    network.run_until(60s, [&] { return network.host(i).count<LookupDone>() > 0; });
    REQUIRE(network.host(i).count<LookupDone>() == 1);
    return network.host(i).all<LookupDone>().front().stats;
  }
  test::DhtNetwork network;
};

}  // namespace

TEST_CASE("the store holds what there is in a small network and leaves it in peace") {
  World w(60);
  const auto me = w.add(1'000);
  w.network.introduce(me, 0);
  w.network.run_for(2min);
  CHECK(w.network.node(me).store_size() >= 40);
  CHECK(w.network.node(me).store_size() >= w.network.node(me).table_size());
  w.network.run_for(15min);
  const auto before = w.network.node(me).counters().queries_out;
  w.network.run_for(15min);
  // Each contact about once, in the table or in the store, and bucket refreshes.
  CHECK(w.network.node(me).counters().queries_out - before <= 2 * 60 + 40);
  w.network.node(me).check_invariants();
}

TEST_CASE("T5 a store survives a time without network, and dead nodes leave it when others answer") {
  World w(40);
  const auto me = w.add(1'000);
  w.network.introduce(me, 0);
  w.network.run_for(2min);
  const auto full = w.network.node(me).store_size();
  REQUIRE(full >= 25);
  w.network.filter = [&](const wire::Endpoint& from, const wire::Endpoint& to, wire::Bytes) {
    return from != w.network.endpoint(me) && to != w.network.endpoint(me);
  };
  w.network.run_for(2h);
  CHECK(w.network.node(me).store_size() == full);
  w.network.filter = nullptr;
  for (std::size_t i = 20; i < 40; ++i) w.network.host(i).up = false;
  w.network.introduce(me, 0);
  w.network.run_for(2h);
  CHECK(w.network.node(me).store_size() >= 10);
  CHECK(w.network.node(me).store_size() <= 20);
  CHECK(w.network.node(me).counters().store_silent >= full - 20);
}

TEST_CASE("a restart knows the store and where lookups ended, and tells the last peers at once") {
  World w(60);
  const auto announcer = w.add(0), me = w.add(1'000);
  for (const auto i : {announcer, me}) w.network.introduce(i, 0);
  w.network.run_for(2min);
  const auto hash = w.network.rng().id<wire::InfoHash>();
  w.find(announcer, hash, dht::AnnounceSpec{7'000, false});
  w.network.run_for(5s);
  const auto cold = w.find(me, hash);
  const wire::Endpoint peer{w.network.endpoint(announcer).address, 7'000};
  REQUIRE(w.network.host(me).all<PeersFound>().front().peers == std::vector{peer});

  const auto saved = dht::decode(dht::encode(w.network.node(me).snapshot(kWall, w.network.now())));
  REQUIRE(saved);
  CHECK(saved->store.size() >= 40);
  REQUIRE(saved->lookups.size() == 1);
  for (const bool late : {false, true}) {
    CAPTURE(late);
    auto config = w.network.config();
    config.id = saved->id;
    config.policy = {};
    config.policy.allow(wire::AddressKind::global);
    config.limits.contact_store = 1'000;
    w.network.restart(me, config);
    const auto wall = kWall + (late ? 2 * 3'600 : 60);
    w.network.call(me, [&](dht::Node& n, dht::Output& out) { n.restore(w.network.now(), *saved, out, wall); });
    CHECK(w.network.node(me).store_size() == saved->store.size());
    dht::Output out;
    w.network.node(me).get_peers(w.network.now(), hash, std::nullopt, out);
    const bool at_once = !out.events.empty();
    CHECK(at_once != late);  // peers are believed for an hour
    if (!late) {
      const auto& found = std::get<PeersFound>(out.events.front());
      CHECK(found.peers == std::vector{peer});
      CHECK(found.from == wire::Endpoint{});
    }
    w.network.run_for(10s);
    const auto warm = w.find(me, hash);
    CHECK(warm.closest.size() == cold.closest.size());
    CHECK(warm.closest.front().id == cold.closest.front().id);
    CHECK(warm.asked <= cold.asked);
  }
}

TEST_CASE("T7 a read-only node uses the saved store, and neither fills it nor tells old peers") {
  World w(30);
  const auto me = w.add(1'000);
  w.network.introduce(me, 0);
  w.network.run_for(2min);
  const auto hash = w.network.rng().id<wire::InfoHash>();
  w.find(3, hash, dht::AnnounceSpec{7'000, false});
  w.network.run_for(5s);
  w.find(me, hash);
  const auto saved = w.network.node(me).snapshot(kWall, w.network.now());
  auto config = w.network.config();
  config.policy = {};
  config.policy.allow(wire::AddressKind::global);
  config.read_only = true;
  w.network.restart(me, config);
  w.network.call(me, [&](dht::Node& n, dht::Output& out) { n.restore(w.network.now(), saved, out, kWall); });
  dht::Output out;
  w.network.node(me).get_peers(w.network.now(), hash, std::nullopt, out);
  CHECK(out.events.empty());
  w.network.run_for(15s);
  CHECK(w.find(me, hash).peers == 1);
}
