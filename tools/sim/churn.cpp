// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/churn.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace lodestone::tools::sim {
namespace {

/// A bound on what a duration can hold: some thirty years.
constexpr double kLongest = 1e9;

/// Gamma(k, 1) by Marsaglia and Tsang; k > 0.
double draw_gamma(double k, wire::Rng& rng) {
  if (k < 1) return draw_gamma(k + 1, rng) * std::pow(1.0 - rng.unit(), 1 / k);
  const double d = k - 1.0 / 3.0;
  const double c = 1 / std::sqrt(9 * d);
  while (true) {
    const double x = std::sqrt(-2 * std::log(1.0 - rng.unit())) * std::cos(2 * 3.14159265358979323846 * rng.unit());
    const double v = std::pow(1 + c * x, 3);
    if (v <= 0) continue;
    if (std::log(1.0 - rng.unit()) < 0.5 * x * x + d - d * v + d * std::log(v)) return d * v;
  }
}

}  // namespace

Churn::Churn(double shape, wire::Duration scale) : shape_(shape), scale_seconds_(wire::to_seconds(scale)) {
  assert(shape > 0 && scale_seconds_ > 0);
}

Churn Churn::public_dht() { return {0.43, std::chrono::minutes(473)}; }

wire::Duration Churn::draw_session(wire::Rng& rng) const {
  const double seconds = scale_seconds_ * std::pow(-std::log(1.0 - rng.unit()), 1 / shape_);
  return wire::from_seconds(std::min(seconds, kLongest));
}

wire::Duration Churn::draw_residual(wire::Rng& rng) const {
  // The session that covers a random moment is drawn in proportion to its length. (length / scale)^shape, exponential
  // for sessions as they begin, is then Gamma with 1 + 1/shape; the moment lies anywhere in the session.
  const double length = scale_seconds_ * std::pow(draw_gamma(1 + 1 / shape_, rng), 1 / shape_);
  return wire::from_seconds(std::min(length, kLongest) * rng.unit());
}

wire::Duration Churn::mean() const { return wire::from_seconds(scale_seconds_ * std::tgamma(1 + 1 / shape_)); }

}  // namespace lodestone::tools::sim
