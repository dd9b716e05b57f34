// SPDX-License-Identifier: Apache-2.0
#include "dht/sample_times.hpp"

#include <algorithm>

namespace lodestone::dht {

bool SampleTimes::may_ask(wire::Instant now, const wire::Endpoint& node) const {
  const auto found = not_before_.find(node);
  return found == not_before_.end() || found->second <= now;
}

void SampleTimes::answered(wire::Instant now, const wire::Endpoint& node, std::int64_t interval) {
  interval = std::clamp<std::int64_t>(interval, 0, kLongest);
  if (interval == 0) {
    not_before_.erase(node);
    return;
  }
  if (not_before_.size() >= kMax && !not_before_.contains(node)) make_room(now);
  not_before_[node] = now + std::chrono::seconds(interval);
}

void SampleTimes::make_room(wire::Instant now) {
  std::erase_if(not_before_, [now](const auto& entry) { return entry.second <= now; });
  if (not_before_.size() < kMax) return;
  not_before_.erase(std::min_element(not_before_.begin(), not_before_.end(),
                                     [](const auto& a, const auto& b) { return a.second < b.second; }));
}

}  // namespace lodestone::dht
