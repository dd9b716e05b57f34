// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include "tests/scenarios/seeds.hpp"
#include "tools/sim/crowd.hpp"

namespace lodestone::tools::sim {
namespace {

using namespace std::chrono_literals;

struct Run {
  std::uint64_t digest = 0, events = 0, sent = 0;
  friend bool operator==(const Run&, const Run&) = default;
};

/// Everything that has chance in it: NATs, loss, churn, lookups, announcements.
Run eventful_run(std::uint64_t seed) {
  World world({.seed = seed, .links = {}});
  Crowd crowd(world, {.nodes = 200, .nat = NatMix::public_dht(), .adjust = nullptr});
  crowd.join_all(5min);
  crowd.start_churn(Churn(0.5, 20min));
  for (int i = 0; i < 50; ++i) {
    const auto hash = world.rng().id<wire::InfoHash>();
    (void)crowd.get_peers(crowd.random(), hash, dht::AnnounceSpec{.port = 4'000, .implied_port = false});
    world.run_for(10s);
    (void)crowd.get_peers(crowd.random(), hash);
  }
  world.run_for(60s);
  return {world.digest().value(), world.counters().events, world.counters().bytes_sent};
}

}  // namespace

TEST_CASE("the same seed sends the same bytes at the same times, another seed does not") {
  for (const std::uint64_t seed : tests::seeds()) {
    CAPTURE(seed);
    const Run first = eventful_run(seed);
    CHECK(first.sent > 1'000'000);
    CHECK(eventful_run(seed) == first);
    CHECK(eventful_run(seed + 1'000).digest != first.digest);
  }
}

}  // namespace lodestone::tools::sim
