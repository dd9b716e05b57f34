// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/scenarios/seeds.hpp"
#include "tools/sim/crowd.hpp"

namespace lodestone::tools::sim {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kNodes = 1'000;
constexpr std::size_t kHashes = 50;

struct Announced {
  wire::InfoHash hash;
  Crowd::Index by;
  std::uint16_t port;
  Crowd::LookupTicket announce;
  Crowd::LookupTicket lookup;
};

/// Runs until all tickets that `of` picks are complete, or 30 s.
template <class Done>
bool run_until_all(World& world, const std::vector<Announced>& all, Done&& done) {
  return world.run_until(world.now() + 30s, [&] { return std::all_of(all.begin(), all.end(), done); });
}

}  // namespace

TEST_CASE("what 1,000 nodes were told is found by whoever asks, at 1 % loss") {
  for (const std::uint64_t seed : tests::seeds()) {
    CAPTURE(seed);
    World world({.seed = seed, .links = {}});
    Crowd crowd(world, {.nodes = kNodes, .nat = {}, .adjust = nullptr});
    crowd.join_all(15min);

    std::vector<Announced> all(kHashes);
    for (Announced& a : all) {
      a.hash = world.rng().id<wire::InfoHash>();
      a.by = crowd.random();
      a.port = static_cast<std::uint16_t>(10'000 + world.rng().below(50'000));
      a.announce = crowd.get_peers(a.by, a.hash, dht::AnnounceSpec{.port = a.port, .implied_port = false});
    }
    REQUIRE(run_until_all(world, all, [](const Announced& a) { return a.announce->announced; }));

    std::size_t stored = 0, stored_among_closest_12 = 0;
    for (const Announced& a : all) {
      CHECK(a.announce->stored.size() <= 8 + 4);  // L3
      const auto closest = crowd.closest(wire::Key{a.hash.bytes()}, 12, a.by);
      for (const dht::NodeView& node : a.announce->stored) {
        ++stored;
        stored_among_closest_12 += std::find(closest.begin(), closest.end(), node.id) != closest.end();
      }
    }
    CHECK(stored >= kHashes * 8 * 9 / 10);
    CHECK(stored <= kHashes * 9);  // hardly anybody in vain
    CHECK(static_cast<double>(stored_among_closest_12) >= 0.95 * static_cast<double>(stored));

    for (Announced& a : all) a.lookup = crowd.get_peers(crowd.random(), a.hash);
    REQUIRE(run_until_all(world, all, [](const Announced& a) { return a.lookup->done; }));
    std::uint64_t asked = 0;
    for (const Announced& a : all) {
      const Endpoint expected{crowd[a.by].local().address, a.port};
      CHECK(a.lookup->peers == std::vector{expected});  // found, once, and nothing else
      asked += a.lookup->stats.asked;
    }
    // BEP 5's order of magnitude: a step or two less than log2(1,000), a few times alpha, the 8 at the end.
    INFO("queries per lookup: " << static_cast<double>(asked) / kHashes);
    CHECK(asked < kHashes * 40);
  }
}

TEST_CASE("L1 a lookup for a hash that nobody announced ends by itself and says so") {
  for (const std::uint64_t seed : tests::seeds()) {
    CAPTURE(seed);
    World world({.seed = seed, .links = {}});
    Crowd crowd(world, {.nodes = 200, .nat = {}, .adjust = nullptr});
    crowd.join_all(5min);
    const auto lookup = crowd.get_peers(crowd.random(), world.rng().id<wire::InfoHash>());
    CHECK(world.run_until(world.now() + 15s, [&] { return lookup->done; }));
    CHECK(lookup->peers.empty());
    CHECK(lookup->stats.closest.size() == 8);
  }
}

TEST_CASE("S2 an announcement that is not renewed is forgotten, one that is kept stays") {
  for (const std::uint64_t seed : tests::seeds()) {
    CAPTURE(seed);
    World world({.seed = seed, .links = {}});
    Crowd crowd(world, {.nodes = 100, .nat = {}, .adjust = nullptr});
    crowd.join_all(5min);
    const auto once = world.rng().id<wire::InfoHash>();
    const auto kept = world.rng().id<wire::InfoHash>();
    const Crowd::Index by = crowd.random();
    (void)crowd.get_peers(by, once, dht::AnnounceSpec{.port = 1'111, .implied_port = false});
    crowd[by].use([&](dht::Node& node, dht::Output& out) {
      (void)node.keep_announced(world.now(), kept, {.port = 2'222, .implied_port = false}, out);
    });
    world.run_for(2h);
    const auto lost = crowd.get_peers(crowd.random(), once);
    Crowd::Index finder = crowd.random();
    while (finder == by) finder = crowd.random();  // who is not told of itself
    const auto found = crowd.get_peers(finder, kept);
    world.run_for(30s);
    REQUIRE(lost->done);
    REQUIRE(found->done);
    CHECK(lost->peers.empty());
    CHECK(found->peers == std::vector{Endpoint{crowd[by].local().address, 2'222}});
  }
}

}  // namespace lodestone::tools::sim
