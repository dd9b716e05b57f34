// SPDX-License-Identifier: Apache-2.0
#include "tests/scenarios/swarm.hpp"

#include <algorithm>

#include <catch2/catch.hpp>

#include "tests/scenarios/seeds.hpp"

namespace lodestone::tests {
namespace {

using namespace std::chrono_literals;
using sim::NatKind;

double copies(const sim::TorrentHost& host, const Swarm& swarm) {
  return static_cast<double>(host.status().uploaded) / static_cast<double>(swarm.sample.stream.size());
}

/// What a swarm's run comes down to.
struct Story {
  std::uint64_t digest = 0, events = 0;
  friend bool operator==(const Story&, const Story&) = default;
};

Story tell(std::uint64_t seed) {
  Swarm swarm(seed, {400'000}, 32 * 1024, 20);
  swarm.add(true);
  for (int i = 0; i < 4; ++i) swarm.add(false, i == 0 ? NatKind::port_restricted : NatKind::open);
  CHECK(swarm.run_until_finished(10min));
  return {swarm.world.digest().value(), swarm.world.counters().events};
}

}  // namespace

TEST_CASE("one peer fetches a magnet from one seed that it finds through the DHT") {
  for (const std::uint64_t seed : seeds()) {
    CAPTURE(seed);
    Swarm swarm(seed);
    const sim::TorrentHost& source = swarm.add(true);
    swarm.world.run_for(30s);
    sim::TorrentHost& sink = swarm.add(false);
    REQUIRE(swarm.run_until_finished(5min));
    CHECK(swarm.all_have_the_right_bytes());
    CHECK(sink.status().seen_by_source[static_cast<std::size_t>(magnet::PeerSource::dht)] >= 1);
    CHECK(copies(source, swarm) >= 1.0);
    CHECK(copies(source, swarm) <= 1.05);
    CHECK(sink.status().wasted == 0);
    swarm.check_invariants();
    // And an orderly end.
    sink.stop();
    CHECK(swarm.world.run_until(swarm.world.now() + 30s, [&] { return sink.stopped(); }));
  }
}

TEST_CASE("a swarm of 20 finishes from one seed, which uploads a few copies and not 20") {
  for (const std::uint64_t seed : seeds()) {
    CAPTURE(seed);
    Swarm swarm(seed);
    const sim::TorrentHost& source = swarm.add(true);
    swarm.world.run_for(20s);
    for (int i = 0; i < 20; ++i) swarm.add(false);
    REQUIRE(swarm.run_until_finished(20min));
    CHECK(swarm.all_have_the_right_bytes());
    INFO("copies that the seed uploaded: " << copies(source, swarm));
    CHECK(copies(source, swarm) <= 6);
    for (const auto& host : swarm.hosts) {
      const magnet::TorrentStatus status = host->status();
      CHECK(status.wasted <= 3u << 19);  // the end-game: what was on its way from many at once
      CHECK(host->closed(magnet::CloseReason::banned) == 0);
      CHECK(host->closed(magnet::CloseReason::protocol_error) == 0);
    }
    swarm.check_invariants();
  }
}

TEST_CASE("a magnet that is added before its only seed is there finishes when it comes") {
  for (const std::uint64_t seed : seeds()) {
    CAPTURE(seed);
    Swarm swarm(seed, {500'000}, 32 * 1024);
    swarm.add(false);
    swarm.world.run_for(60s);
    CHECK_FALSE(swarm.hosts[0]->finished());
    swarm.add(true);
    CHECK(swarm.run_until_finished(10min));
    CHECK(swarm.all_have_the_right_bytes());
  }
}

TEST_CASE("a swarm survives that its seed leaves when one copy is out") {
  for (const std::uint64_t seed : seeds()) {
    CAPTURE(seed);
    Swarm swarm(seed);
    sim::TorrentHost& source = swarm.add(true);
    swarm.world.run_for(20s);
    for (int i = 0; i < 6; ++i) swarm.add(false);
    REQUIRE(swarm.world.run_until(swarm.world.now() + 10min, [&] {
      return std::any_of(swarm.hosts.begin() + 1, swarm.hosts.end(), [](const auto& h) { return h->finished(); });
    }));
    source.stop();
    CHECK(swarm.run_until_finished(20min));
    CHECK(swarm.all_have_the_right_bytes());
  }
}

TEST_CASE("peers behind NATs finish as long as somebody can be dialled") {
  for (const std::uint64_t seed : seeds()) {
    CAPTURE(seed);
    Swarm swarm(seed);
    swarm.add(true);
    swarm.world.run_for(20s);
    for (int i = 0; i < 4; ++i) swarm.add(false, NatKind::port_restricted);
    for (int i = 0; i < 4; ++i) swarm.add(false, NatKind::unreachable);
    REQUIRE(swarm.run_until_finished(20min));
    CHECK(swarm.all_have_the_right_bytes());
  }
}

TEST_CASE("a seed behind a NAT serves those whom it can dial") {
  for (const std::uint64_t seed : seeds()) {
    CAPTURE(seed);
    Swarm swarm(seed, {500'000}, 32 * 1024);
    swarm.add(true, NatKind::port_restricted);
    swarm.world.run_for(20s);
    swarm.add(false);
    swarm.add(false);
    CHECK(swarm.run_until_finished(40min));
    CHECK(swarm.all_have_the_right_bytes());
  }
}

TEST_CASE("a swarm's run is the same for the same seed") {
  for (const std::uint64_t seed : seeds()) {
    CAPTURE(seed);
    const Story first = tell(seed);
    CHECK(tell(seed) == first);
    CHECK(tell(seed + 1'000).digest != first.digest);
  }
}

}  // namespace lodestone::tests
