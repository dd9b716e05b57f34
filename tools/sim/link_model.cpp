// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/link_model.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <vector>

namespace lodestone::tools::sim {
namespace {

struct Region {
  double x_ms, y_ms;
  double share;  // of all places; they sum to 1
};

/// Roughly where the DHT's nodes are, as one-way milliseconds apart: Europe, eastern and western North America, South
/// America, East Asia, South-East Asia, South Asia, Russia, Oceania, Africa and the Middle East.
constexpr std::array<Region, 10> kRegions = {{
    {0, 0, 0.26},
    {-32, 3, 0.11},
    {-55, 6, 0.08},
    {-44, -47, 0.07},
    {67, 23, 0.16},
    {65, -14, 0.09},
    {44, -15, 0.08},
    {18, 12, 0.08},
    {85, -41, 0.03},
    {17, -32, 0.04},
}};

/// Standard normal, by Box and Muller.
double draw_normal(wire::Rng& rng) {
  const double u = 1.0 - rng.unit();  // never 0
  return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * rng.unit());
}

}  // namespace

LinkModelConfig LinkModelConfig::fixed(double one_way_ms) {
  return {
      .region_spread_ms = -1, .access_median_ms = one_way_ms / 2, .access_sigma = 0, .jitter_mean_ms = 0, .loss = 0};
}

Place LinkModel::draw_place(wire::Rng& rng) const {
  Place place;
  place.access_ms = config_.access_median_ms * std::exp(config_.access_sigma * draw_normal(rng)) * config_.scale;
  if (config_.region_spread_ms < 0) return place;
  double at = rng.unit();
  const Region* region = kRegions.data();
  for (const Region& r : kRegions) {
    region = &r;
    if ((at -= r.share) < 0) break;
  }
  place.x_ms = (region->x_ms + config_.region_spread_ms * draw_normal(rng)) * config_.scale;
  place.y_ms = (region->y_ms + config_.region_spread_ms * draw_normal(rng)) * config_.scale;
  return place;
}

double LinkModel::median_rtt_ms(LinkModelConfig config) {
  constexpr std::size_t kPairs = 20'001;
  config.scale = 1;
  const LinkModel model(config);
  wire::Rng rng = wire::Rng::from_number(1);
  std::vector<double> ms(kPairs);
  for (double& value : ms) {
    const Place a = model.draw_place(rng);
    value = 2'000 * wire::to_seconds(one_way(a, model.draw_place(rng)));
  }
  const auto middle = ms.begin() + kPairs / 2;
  std::nth_element(ms.begin(), middle, ms.end());
  return *middle;
}

wire::Duration LinkModel::one_way(const Place& a, const Place& b) {
  const double ms = std::hypot(a.x_ms - b.x_ms, a.y_ms - b.y_ms) + a.access_ms + b.access_ms;
  return wire::from_seconds(ms / 1000);
}

wire::Duration LinkModel::draw_jitter(wire::Rng& rng) const {
  if (config_.jitter_mean_ms <= 0) return {};
  return wire::from_seconds(-std::log(1.0 - rng.unit()) * config_.jitter_mean_ms / 1000);
}

bool LinkModel::draw_loss(wire::Rng& rng) const { return config_.loss > 0 && rng.chance(config_.loss); }

}  // namespace lodestone::tools::sim
