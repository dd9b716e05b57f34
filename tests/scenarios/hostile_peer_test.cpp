// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <catch2/catch.hpp>

#include "tests/scenarios/seeds.hpp"
#include "tests/scenarios/swarm.hpp"

namespace lodestone::tests {
namespace {

using namespace std::chrono_literals;
using sim::PeerMischief;

std::size_t banned_by(const Swarm& swarm, const sim::HostilePeer& peer) {
  return static_cast<std::size_t>(std::count_if(swarm.hosts.begin(), swarm.hosts.end(), [&](const auto& host) {
    const auto& banned = host->banned();
    return std::find(banned.begin(), banned.end(), peer.local().address) != banned.end();
  }));
}

/// Nobody honest was banned by anybody.
bool only_the_hostile_banned(const Swarm& swarm) {
  return std::all_of(swarm.hosts.begin(), swarm.hosts.end(), [&](const auto& host) {
    return std::all_of(host->banned().begin(), host->banned().end(), [&](const wire::Address& address) {
      return std::any_of(swarm.hostile.begin(), swarm.hostile.end(),
                         [&](const auto& h) { return h->local().address == address; });
    });
  });
}

}  // namespace

TEST_CASE("W3 a peer that serves only wrong bytes is banned, and everybody finishes with the right ones") {
  for (const std::uint64_t seed : seeds()) {
    CAPTURE(seed);
    Swarm swarm(seed);
    swarm.add(true);
    const sim::HostilePeer& liar = swarm.add_hostile(PeerMischief::corrupt_data);
    swarm.world.run_for(20s);
    for (int i = 0; i < 8; ++i) swarm.add(false);
    REQUIRE(swarm.run_until_finished(30min));
    CHECK(swarm.all_have_the_right_bytes());
    CHECK(liar.bad_blocks() > 0);
    CHECK(banned_by(swarm, liar) >= 1);
    CHECK(only_the_hostile_banned(swarm));
    swarm.check_invariants();
  }
}

TEST_CASE("W3 a peer that spoils one block in five is banned as well, and nobody else is") {
  for (const std::uint64_t seed : seeds()) {
    CAPTURE(seed);
    Swarm swarm(seed, {6'000'000}, 256 * 1024);
    swarm.add(true);
    const sim::HostilePeer& liar = swarm.add_hostile(PeerMischief::corrupt_data, 0.2);
    swarm.world.run_for(20s);
    for (int i = 0; i < 6; ++i) swarm.add(false);
    REQUIRE(swarm.run_until_finished(30min));
    CHECK(swarm.all_have_the_right_bytes());
    CHECK(liar.bad_blocks() > 0);
    CHECK(banned_by(swarm, liar) >= 1);
    CHECK(only_the_hostile_banned(swarm));
  }
}

TEST_CASE("M1 peers that claim another metadata size do not keep anybody from the true dict") {
  for (const std::uint64_t seed : seeds()) {
    CAPTURE(seed);
    Swarm swarm(seed, {4'000'000}, 16 * 1024);
    swarm.add(true);
    for (int i = 0; i < 3; ++i) swarm.add_hostile(PeerMischief::wrong_metadata_size);
    swarm.world.run_for(20s);
    for (int i = 0; i < 5; ++i) swarm.add(false);
    REQUIRE(swarm.run_until_finished(30min));
    CHECK(swarm.all_have_the_right_bytes());
    CHECK(only_the_hostile_banned(swarm));
  }
}

TEST_CASE("M2 peers that serve a garbage dict are found out, and everybody finishes") {
  for (const std::uint64_t seed : seeds()) {
    CAPTURE(seed);
    Swarm swarm(seed, {16'500'000}, 16 * 1024);  // an info dict of two metadata pieces
    REQUIRE(swarm.sample.raw_info.size() > wire::kMetadataPiece);
    swarm.add(true);
    for (int i = 0; i < 3; ++i) swarm.add_hostile(PeerMischief::garbage_metadata);
    swarm.world.run_for(20s);
    for (int i = 0; i < 3; ++i) swarm.add(false);
    REQUIRE(swarm.run_until_finished(30min));
    CHECK(swarm.all_have_the_right_bytes());
    CHECK(only_the_hostile_banned(swarm));
    std::uint64_t served = 0;
    for (const auto& h : swarm.hostile) served += h->bad_metadata();
    CHECK(served > 0);
  }
}

}  // namespace lodestone::tests
