// SPDX-License-Identifier: Apache-2.0
// How long a datagram takes between two places and whether it arrives. A place is a point in a plane whose unit is the
// millisecond of one-way travel, plus the delay of its own access line. Places are drawn around a handful of regions,
// so that round trips spread like the Internet's: some near, most far, median about 160 ms, with a long tail from
// access lines. Pure and seeded: the caller's Rng decides.
#pragma once

#include "wire/base/rng.hpp"
#include "wire/base/time.hpp"

namespace lodestone::tools::sim {

struct Place {
  double x_ms = 0;
  double y_ms = 0;
  double access_ms = 0;  // one way
};

struct LinkModelConfig {
  double region_spread_ms = 7;   // standard deviation of places around their region, each axis
  double access_median_ms = 10;  // log-normal, one way
  double access_sigma = 0.75;    // of the logarithm
  double jitter_mean_ms = 2;     // exponential, added to each trip
  double loss = 0.01;            // probability that a datagram vanishes, per trip
  double scale = 1;              // of distances and access lines
  /// All places the same, no jitter, no loss: for tests that compute with latencies.
  [[nodiscard]] static LinkModelConfig fixed(double one_way_ms);
};

class LinkModel {
 public:
  explicit LinkModel(const LinkModelConfig& config) : config_(config) {}

  [[nodiscard]] const LinkModelConfig& config() const { return config_; }
  /// Of the round trips between two places, without jitter, at scale 1: about 160.
  [[nodiscard]] static double median_rtt_ms(LinkModelConfig config);
  [[nodiscard]] Place draw_place(wire::Rng& rng) const;
  /// Without jitter.
  [[nodiscard]] static wire::Duration one_way(const Place& a, const Place& b);
  [[nodiscard]] wire::Duration draw_jitter(wire::Rng& rng) const;
  [[nodiscard]] bool draw_loss(wire::Rng& rng) const;

 private:
  LinkModelConfig config_;
};

}  // namespace lodestone::tools::sim
