// SPDX-License-Identifier: Apache-2.0
// A swarm for scenarios: some DHT nodes, one sample, seeds and downloaders. Owned by a test.
#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "tools/sim/crowd.hpp"
#include "tools/sim/hostile_peer.hpp"
#include "tools/sim/torrent_host.hpp"

namespace lodestone::tests {

namespace sim = tools::sim;

struct Swarm {
  sim::World world;
  sim::Streams streams;
  dht::Output arena;
  sim::Crowd crowd;
  sim::Sample sample;
  std::vector<std::unique_ptr<sim::TorrentHost>> hosts;
  std::vector<std::unique_ptr<sim::HostilePeer>> hostile;

  explicit Swarm(std::uint64_t seed, std::vector<std::uint64_t> sizes = {3'000'000, 0, 1'234'567},
                 std::uint64_t piece_length = 64 * 1024, std::size_t nodes = 50)
      : world({.seed = seed, .links = {}}),
        streams(world),
        crowd(world, {.nodes = nodes, .nat = {}, .join_window = std::chrono::seconds(20), .adjust = nullptr}),
        sample(sim::make_sample(world.rng(), sizes, piece_length)) {
    crowd.join_all(std::chrono::minutes(2));
  }

  sim::TorrentHost& add(bool seed, sim::NatKind nat = sim::NatKind::open, sim::LineRate rate = {2e6, 8e6}) {
    sim::TorrentHostSpec spec;
    spec.info_hash = sample.info_hash();
    spec.seed = seed ? &sample : nullptr;
    spec.nat = nat;
    spec.rate = rate;
    spec.introducers = {crowd.introducer()};
    hosts.push_back(std::make_unique<sim::TorrentHost>(world, streams, spec, arena));
    hosts.back()->start();
    return *hosts.back();
  }

  sim::HostilePeer& add_hostile(sim::PeerMischief mischief, double corrupt_share = 1) {
    sim::HostilePeerSpec spec;
    spec.mischief = mischief;
    spec.corrupt_share = corrupt_share;
    spec.rate = {4e6, 8e6};
    spec.introducers = {crowd.introducer()};
    hostile.push_back(std::make_unique<sim::HostilePeer>(world, streams, sample, spec, arena));
    hostile.back()->start();
    return *hostile.back();
  }

  /// Until everybody has everything; false when that takes longer.
  [[nodiscard]] bool run_until_finished(wire::Duration limit) {
    return world.run_until(world.now() + limit, [this] {
      return std::all_of(hosts.begin(), hosts.end(), [](const auto& h) { return h->finished(); });
    });
  }
  [[nodiscard]] bool all_have_the_right_bytes() const {
    return std::all_of(hosts.begin(), hosts.end(), [&](const auto& h) { return sample.is_on(h->disk()); });
  }
  void check_invariants() const {
    for (const auto& host : hosts) host->check_invariants();
  }
};

}  // namespace lodestone::tests
