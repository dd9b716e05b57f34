// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <memory>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/scenarios/seeds.hpp"
#include "tools/sim/crowd.hpp"
#include "tools/sim/hostile_node.hpp"

namespace lodestone::tools::sim {
namespace {

using namespace std::chrono_literals;

/// 200 honest nodes and 60 of one hostile kind, for half an hour.
struct Siege {
  World world;
  Crowd crowd;
  std::vector<std::unique_ptr<HostileNode>> hostile;

  Siege(std::uint64_t seed, Misbehaviour kind)
      : world({.seed = seed, .links = {}}), crowd(world, {.nodes = 200, .nat = {}, .adjust = nullptr}) {
    crowd.join_all(60s);
    for (int i = 0; i < 60; ++i)
      hostile.push_back(std::make_unique<HostileNode>(world, world.add_host({}), kind, crowd.introducer()));
    world.run_for(30min);
  }

  /// Table entries with an address of a hostile node, over all honest nodes.
  [[nodiscard]] std::size_t entries_held_by_hostile() const {
    std::size_t n = 0;
    for (const Crowd::Index index : crowd.living()) {
      const dht::Node& node = const_cast<Crowd&>(crowd)[index].node();
      for (const dht::NodeView& entry : node.closest(wire::Key{node.id().bytes()}, 1'000))
        n += std::any_of(hostile.begin(), hostile.end(), [&](const auto& h) { return h->local() == entry.endpoint; });
    }
    return n;
  }

  /// Announces 30 hashes and looks them up; returns how many are found.
  [[nodiscard]] std::size_t found_of_30() {
    struct Pair {
      wire::InfoHash hash;
      Crowd::Index by;
      Crowd::LookupTicket announce, lookup;
    };
    std::vector<Pair> all(30);
    for (Pair& p : all) {
      p.hash = world.rng().id<wire::InfoHash>();
      p.by = crowd.random();
      p.announce = crowd.get_peers(p.by, p.hash, dht::AnnounceSpec{.port = 4'000, .implied_port = false});
    }
    world.run_for(60s);
    for (Pair& p : all) p.lookup = crowd.get_peers(crowd.random(), p.hash);
    world.run_for(60s);
    return static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [&](const Pair& p) {
      const Endpoint expected{crowd[p.by].local().address, 4'000};
      return p.lookup->done &&
             std::find(p.lookup->peers.begin(), p.lookup->peers.end(), expected) != p.lookup->peers.end();
    }));
  }
};

}  // namespace

TEST_CASE("T2 nodes that never answer get into no table") {
  for (const std::uint64_t seed : tests::seeds()) {
    CAPTURE(seed);
    Siege siege(seed, Misbehaviour::silent);
    for (const auto& h : siege.hostile) CHECK(h->asked() > 0);  // they were given their chance
    CHECK(siege.entries_held_by_hostile() == 0);
    CHECK(siege.found_of_30() == 30);
  }
}

TEST_CASE("L6 nodes that answer under ever new ids do not stay in tables") {
  for (const std::uint64_t seed : tests::seeds()) {
    CAPTURE(seed);
    Siege siege(seed, Misbehaviour::wrong_id);
    for (const auto& h : siege.hostile) CHECK(h->asked() > 0);
    CHECK(siege.entries_held_by_hostile() == 0);
    CHECK(siege.found_of_30() == 30);
  }
}

TEST_CASE("L8 sybils around a hash, with ids of their choice in 24 prefixes, hide no honest announce") {
  for (const std::uint64_t seed : tests::seeds()) {
    CAPTURE(seed);
    World world({.seed = seed, .links = {}});
    Crowd crowd(world, {.nodes = 300, .nat = {}, .adjust = nullptr});
    crowd.join_all(5min);
    const auto hash = world.rng().id<wire::InfoHash>();
    std::vector<std::unique_ptr<HostileNode>> sybils;
    std::vector<dht::Contact> fellows;
    for (std::uint32_t i = 0; i < 120; ++i) {
      auto id = world.rng().id<wire::NodeId>();
      std::copy_n(hash.bytes().begin(), 3, id.bytes().begin());  // within 2^-24
      const auto prefix = static_cast<std::uint8_t>(i % 24);
      const auto address = wire::Address::v4(66, prefix, 7, static_cast<std::uint8_t>(1 + i / 24));
      sybils.push_back(std::make_unique<HostileNode>(world, world.add_host({.address = address}), Misbehaviour::sybil,
                                                     crowd.introducer(), id));
      fellows.push_back({id, sybils.back()->local()});
    }
    for (const auto& sybil : sybils) sybil->set_fellows(fellows);
    world.run_for(20min);
    const Crowd::Index by = crowd.random();
    const auto announce = crowd.get_peers(by, hash, dht::AnnounceSpec{.port = 4'000, .implied_port = false});
    REQUIRE(world.run_until(world.now() + 60s, [&] { return announce->announced; }));
    const auto is_sybil = [&](const dht::NodeView& node) {
      return std::any_of(fellows.begin(), fellows.end(),
                         [&](const dht::Contact& c) { return c.endpoint == node.endpoint; });
    };
    // They are there, and nearer than everybody else; half of the places is all they get.
    const auto taken = std::count_if(announce->stored.begin(), announce->stored.end(), is_sybil);
    CHECK(taken >= 1);
    CHECK(taken <= 4);
    CHECK(announce->stored.size() - static_cast<std::size_t>(taken) >= 3);
    const Endpoint expected{crowd[by].local().address, 4'000};
    std::vector<Crowd::LookupTicket> lookups;
    for (int i = 0; i < 100; ++i) lookups.push_back(crowd.get_peers(crowd.random(), hash));
    world.run_for(60s);
    const auto found = std::count_if(lookups.begin(), lookups.end(), [&](const auto& lookup) {
      return std::find(lookup->peers.begin(), lookup->peers.end(), expected) != lookup->peers.end();
    });
    CHECK(found >= 99);
  }
}

TEST_CASE("nodes that name made-up neighbours do not keep most lookups from succeeding") {
  for (const std::uint64_t seed : tests::seeds()) {
    CAPTURE(seed);
    Siege siege(seed, Misbehaviour::liar);
    CHECK(siege.entries_held_by_hostile() > 0);  // they answer like nodes, and are in the tables
    // Nearly a quarter of the network: now and then a node knows nobody but liars on the way to a hash.
    CHECK(siege.found_of_30() >= 25);
  }
}

}  // namespace lodestone::tools::sim
