// SPDX-License-Identifier: Apache-2.0
#include "dht/maintenance.hpp"

#include <algorithm>

namespace lodestone::dht {
namespace {

constexpr wire::Duration kSpacing = std::chrono::seconds(1);

}  // namespace

Maintenance::Work Maintenance::take_due(wire::Instant now, const RoutingTable& table, const RpcTable& outstanding,
                                        bool lookup_running, wire::Rng& rng) {
  Work work;
  if (next_ > now) return work;
  if (table.empty()) {
    next_ = wire::kNever;
    return work;
  }
  const auto* entry = table.questionable(
      now, refresh_, [&](const RoutingTable::Entry& e) { return !outstanding.waits_for(e.endpoint()); });
  if (entry != nullptr) work.ask = entry->contact();
  if (!lookup_running) work.look_up = table.stale_bucket(now, refresh_, rng);
  next_ = std::max(now + kSpacing, table.next_due(refresh_));
  return work;
}

}  // namespace lodestone::dht
