// SPDX-License-Identifier: Apache-2.0
// How long the network takes to answer: a histogram of round trips over logarithmic bins that forgets by halving.
// Decides when a reply counts as slow (L2) and when a straggler is no longer worth waiting for (L1).
#pragma once

#include <array>
#include <cstdint>

#include "wire/base/time.hpp"

namespace lodestone::dht {

class RttEstimator {
 public:
  void add(wire::Duration rtt);
  [[nodiscard]] std::uint32_t samples() const { return samples_; }
  /// Upper edge of the bin that holds the quantile q of [0, 1]; zero when there is no sample.
  [[nodiscard]] wire::Duration quantile(double q) const;

 private:
  // Four bins per octave from 1 ms: the last one is open and begins above the longest time anybody waits.
  static constexpr std::size_t kBins = 56;
  static constexpr std::uint32_t kForgetAt = 512;

  std::array<std::uint16_t, kBins> bins_{};
  std::uint32_t samples_ = 0;
};

}  // namespace lodestone::dht
