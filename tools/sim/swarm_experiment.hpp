// SPDX-License-Identifier: Apache-2.0
// How long a swarm takes: real torrents on simulated streams, who find each other through a DHT of real nodes. One seed
// announces, the peers come within ten seconds after that, each with a line of 2 MB/s up and 8 MB/s down. The times are
// from a peer's start until it has all; failed: not within half an hour. A run is a function of its configuration.
#pragma once

#include "tools/sim/experiment.hpp"

namespace lodestone::tools::sim {

struct SwarmConfig {
  std::size_t nodes = 50;  // of the DHT, beside those of the peers
  std::size_t peers = 20;
  std::uint64_t bytes = 16u << 20;
  std::optional<double> rtt_ms = std::nullopt;  // as in ExperimentConfig
  double loss = 0.01;                           // of datagrams; streams have none to show
  std::uint64_t seed = 1;
};

/// `queries` of the result: of the DHT, per peer.
[[nodiscard]] ExperimentResult run_swarm(const SwarmConfig& config, const ExperimentHooks& hooks = {});

}  // namespace lodestone::tools::sim
