// SPDX-License-Identifier: Apache-2.0
#include "magnet/swarm/pex.hpp"

#include <algorithm>

namespace lodestone::magnet {

std::optional<wire::UtPex> PexState::next(wire::Instant now, std::span<const wire::PexPeer> connected,
                                          const wire::Endpoint& receiver) {
  if (!due(now)) return std::nullopt;
  wire::UtPex message;
  std::vector<wire::Endpoint> still;
  still.reserve(connected.size());
  for (const wire::PexPeer& peer : connected) {
    if (peer.endpoint == receiver) continue;
    if (!std::binary_search(told_.begin(), told_.end(), peer.endpoint)) {
      if (message.added.size() == kPerMinute) continue;  // in the next message
      message.added.push_back(peer);
    }
    still.push_back(peer.endpoint);
  }
  std::vector<wire::Endpoint> untold;  // gone, but this message is full
  for (const wire::Endpoint& e : told_) {
    if (std::binary_search(still.begin(), still.end(), e)) continue;
    (message.dropped.size() < kPerMinute ? message.dropped : untold).push_back(e);
  }
  if (message.added.empty() && message.dropped.empty()) return std::nullopt;
  still.insert(still.end(), untold.begin(), untold.end());
  std::sort(still.begin(), still.end());
  told_ = std::move(still);
  next_ = now + kInterval;
  return message;
}

std::size_t PexState::admit(wire::Instant now, std::size_t n) {
  const auto allowed = std::min(n, static_cast<std::size_t>(std::max(0.0, taken_.available(now))));
  taken_.take(now, static_cast<double>(allowed));
  return allowed;
}

}  // namespace lodestone::magnet
