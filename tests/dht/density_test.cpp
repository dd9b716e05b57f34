// SPDX-License-Identifier: Apache-2.0
// The running estimate against networks whose size is known, and against liars.
#include "dht/density.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include <catch2/catch.hpp>

#include "wire/base/rng.hpp"

using namespace lodestone;
using dht::Density;

namespace {

constexpr int kK = 8;

struct Network {
  Network(std::size_t nodes, std::uint64_t seed) : rng(wire::Rng::from_number(seed)) {
    for (std::size_t i = 0; i < nodes; ++i) ids.push_back(rng.id<wire::NodeId>());
  }
  /// The share of the key space within which the k closest of a target lie.
  double reach(const wire::Key& target) const {
    std::vector<wire::Distance> all;
    for (const wire::NodeId& id : ids) all.push_back(wire::distance(target, wire::Key{id.bytes()}));
    std::nth_element(all.begin(), all.begin() + (kK - 1), all.end());
    return dht::share_of_key_space(all[kK - 1]);
  }
  void look_up(Density& density, int times) {
    for (int i = 0; i < times; ++i) {
      const auto target = rng.id<wire::Key>();
      density.add(target, reach(target));
    }
  }
  wire::Rng rng;
  std::vector<wire::NodeId> ids;
};

}  // namespace

TEST_CASE("L3 the density of a network is known from a few lookups, and not from fewer") {
  Density none(kK);
  CHECK_FALSE(none.nodes());
  CHECK(none.share_of(6) == 0);
  double sum = 0;
  constexpr int kSeeds = 40;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Network network(2'000, seed);
    Density density(kK);
    network.look_up(density, 4);
    CHECK_FALSE(density.nodes());
    network.look_up(density, 12);
    REQUIRE(density.nodes());
    const double nodes = *density.nodes();
    CHECK(std::abs(nodes - 2'000) < 2'000 * 0.6);
    CHECK(density.share_of(6) == Approx(6 / nodes));
    sum += nodes;
  }
  // Rather too many than too few.
  CHECK(sum / kSeeds > 2'000 * 0.98);
  CHECK(sum / kSeeds < 2'000 * 1.25);
}

TEST_CASE("L3 a lookup that was led astray, near or far, hardly moves the estimate, and none does so for ever") {
  for (const double lie : {1e-9, 1.0}) {
    CAPTURE(lie);
    double moved = 0, moved_by_many = 0;
    constexpr int kSeeds = 40;
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
      Network network(2'000, seed);
      Density density(kK);
      network.look_up(density, 15);
      const double before = *density.nodes();
      density.add(network.rng.id<wire::Key>(), lie);
      moved += std::abs(*density.nodes() / before - 1) / kSeeds;
      CHECK(*density.nodes() > before * 0.6);
      CHECK(*density.nodes() < before * 2);
      // The same hash again and again, as an announcement does, is one observation.
      const auto attacked = network.rng.id<wire::Key>();
      for (int i = 0; i < 50; ++i) density.add(attacked, lie);
      moved_by_many += std::abs(*density.nodes() / before - 1) / kSeeds;
      network.look_up(density, 16);
      CHECK(std::abs(*density.nodes() - 2'000) < 2'000 * 0.8);
    }
    CHECK(moved < 0.1);
    CHECK(moved_by_many < 0.25);
  }
}

TEST_CASE("L3 the estimate follows a network that grows") {
  Network small(300, 1), large(5'000, 2);
  Density density(kK);
  small.look_up(density, 16);
  CHECK(*density.nodes() < 600);
  large.look_up(density, 7);
  CHECK(*density.nodes() > 3'000);
  large.look_up(density, 9);
  small.look_up(density, 16);  // and back, only later
  CHECK(*density.nodes() < 600);
}
