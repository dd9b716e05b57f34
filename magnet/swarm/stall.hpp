// SPDX-License-Identifier: Apache-2.0
// Why nothing moves (cli.md), judged from facts. Pure: the torrent counts, this names. What only the DHT can know
// (unreachable, or a complete lookup without peers) is the driver's to refine when the verdict is nobody_stores_hash.
#pragma once

#include <cstddef>

#include "magnet/swarm/actions.hpp"
#include "wire/base/time.hpp"

namespace lodestone::magnet {

struct SwarmFacts {
  Phase phase = Phase::metadata;
  wire::Duration quiet{};  // since payload, metadata or a checked piece last came
  bool disk_trouble = false;
  std::size_t known = 0;      // endpoints
  std::size_t connected = 0;  // links with a complete handshake
  std::size_t max_peers = 0;
  std::size_t dials_failed = 0;
  std::size_t metadata_sources = 0;  // peers that claim to have the info dict
  std::size_t interesting = 0;       // peers that have a piece we want
  std::size_t unchoked_us = 0;       // of those
  bool budget_blocked = false;       // our own limits forbid to ask for more
};

inline constexpr wire::Duration kStallAfter = std::chrono::seconds(15);

[[nodiscard]] StallReason judge(const SwarmFacts& facts);

}  // namespace lodestone::magnet
