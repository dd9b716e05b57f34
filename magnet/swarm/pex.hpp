// SPDX-License-Identifier: Apache-2.0
// Peer exchange (BEP 11, W10): what one peer has been told about our other links, and how much we let it tell us.
// A message at most once a minute, at most kPerMinute new peers in it, only peers that are really connected and whose
// listening endpoint is known, and those that left.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "wire/base/token_bucket.hpp"
#include "wire/peer/ut_pex.hpp"

namespace lodestone::magnet {

class PexState {
 public:
  static constexpr std::size_t kPerMinute = 50;
  static constexpr wire::Duration kInterval = std::chrono::seconds(60);
  /// More than this of its first message is not believed, either.
  static constexpr double kBurst = 100;

  /// `connected`: every peer that may be told of, sorted by endpoint. nullopt: not yet, or nothing new.
  [[nodiscard]] std::optional<wire::UtPex> next(wire::Instant now, std::span<const wire::PexPeer> connected,
                                                const wire::Endpoint& receiver);
  /// How many of `n` endpoints that this peer names may be taken.
  [[nodiscard]] std::size_t admit(wire::Instant now, std::size_t n);
  [[nodiscard]] bool due(wire::Instant now) const { return now >= next_; }

 private:
  std::vector<wire::Endpoint> told_;  // sorted
  wire::Instant next_ = wire::Instant::min();
  wire::TokenBucket taken_{kPerMinute / 60.0, kBurst};
};

}  // namespace lodestone::magnet
