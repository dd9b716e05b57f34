// SPDX-License-Identifier: Apache-2.0
#include "magnet/swarm/stall.hpp"

namespace lodestone::magnet {

StallReason judge(const SwarmFacts& f) {
  if (f.phase == Phase::seeding || f.phase == Phase::stopped) return StallReason::none;
  // The disk is told at once: there is nothing to wait for.
  if (f.disk_trouble) return StallReason::disk;
  if (f.quiet < kStallAfter || f.phase == Phase::opening || f.phase == Phase::checking) return StallReason::none;
  if (f.max_peers == 0) return StallReason::limits;
  if (f.connected == 0) return f.known == 0 ? StallReason::nobody_stores_hash : StallReason::peers_unreachable;
  if (f.phase == Phase::metadata) return StallReason::no_metadata;
  if (f.interesting == 0) return f.connected >= f.max_peers ? StallReason::limits : StallReason::missing_pieces;
  if (f.unchoked_us == 0) return StallReason::all_choke;
  if (f.budget_blocked) return StallReason::limits;
  return StallReason::all_choke;  // unchoked in words only
}

}  // namespace lodestone::magnet
