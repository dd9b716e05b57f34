// SPDX-License-Identifier: Apache-2.0
#include "dht/rtt_estimator.hpp"

#include <algorithm>
#include <cmath>

namespace lodestone::dht {

void RttEstimator::add(wire::Duration rtt) {
  const double ms = std::max(1.0, wire::to_seconds(rtt) * 1'000);
  const auto bin = std::min(kBins - 1, static_cast<std::size_t>(std::log2(ms) * 4));
  ++bins_[bin];
  if (++samples_ < kForgetAt) return;
  samples_ = 0;
  for (auto& b : bins_) {
    b = static_cast<std::uint16_t>(b / 2);
    samples_ += b;
  }
}

wire::Duration RttEstimator::quantile(double q) const {
  if (samples_ == 0) return {};
  const double wanted = q * samples_;
  std::uint32_t seen = 0;
  for (std::size_t i = 0; i < kBins; ++i) {
    seen += bins_[i];
    if (seen >= wanted && seen != 0) return wire::from_seconds(std::exp2(static_cast<double>(i + 1) / 4) / 1'000);
  }
  return wire::from_seconds(std::exp2(static_cast<double>(kBins) / 4) / 1'000);
}

}  // namespace lodestone::dht
