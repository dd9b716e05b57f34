// SPDX-License-Identifier: Apache-2.0
// The info-hashes that a node shows to those who ask for samples (BEP 51, S6): while there are few, all of them; else a
// random subset that stays the same for an interval, so that asking more often shows nothing more.
#pragma once

#include <vector>

#include "dht/peer_store.hpp"
#include "wire/base/bytes.hpp"
#include "wire/base/id.hpp"
#include "wire/base/rng.hpp"
#include "wire/base/time.hpp"

namespace lodestone::dht {

class SampleWindow {
 public:
  explicit SampleWindow(wire::Duration interval) : interval_(interval) {}

  /// The hashes of the current subset that are still stored, one behind the other; valid until the next call.
  [[nodiscard]] wire::Bytes take(wire::Instant now, const PeerStore& store, wire::Rng& rng);
  [[nodiscard]] std::uint32_t interval_seconds() const {
    return static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::seconds>(interval_).count());
  }

 private:
  static constexpr std::size_t kMax = 20;  // 400 bytes: nodes must fit beside them

  void draw(const PeerStore& store, wire::Rng& rng);

  wire::Duration interval_;
  wire::Instant until_ = wire::Instant::min();
  std::vector<wire::Key> subset_;
  wire::ByteVector shown_;
};

}  // namespace lodestone::dht
