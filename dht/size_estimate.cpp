// SPDX-License-Identifier: Apache-2.0
#include "dht/size_estimate.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "dht/density.hpp"

namespace lodestone::dht {
namespace {

constexpr double kNormal95 = 1.959964;
constexpr double kNodeWorth = 10;  // observations

/// The quantile of a chi-square distribution, divided by its mean.
double chi_square(double degrees, double normal_quantile) {
  const double spread = 2 / (9 * degrees);
  return std::pow(std::max(0.0, 1 - spread + normal_quantile * std::sqrt(spread)), 3);
}

}  // namespace

void SizeEstimate::add(const wire::Key& target, std::span<const wire::NodeId> closest) {
  closest = closest.first(std::min(k_, closest.size()));
  if (closest.empty()) return;
  seen_.insert(closest.begin(), closest.end());
  if (closest.size() < k_) {
    ++short_;
  } else {
    reach_.push_back(share_of_key_space(wire::distance(target, closest.back())));
  }
}

std::optional<SizeEstimate::Result> SizeEstimate::result() const {
  const auto seen = static_cast<double>(seen_.size());
  // A short one among others has lost its way.
  if (reach_.empty()) return seen_.empty() ? std::nullopt : std::optional<Result>{{seen, seen, seen, short_}};
  const auto lookups = static_cast<double>(reach_.size());
  const auto k = static_cast<double>(k_);
  const double sum = std::accumulate(reach_.begin(), reach_.end(), 0.0);
  const double observations = k * lookups;
  const double density = observations / sum;
  double dispersion = 0;
  for (const double d : reach_) dispersion += (d * density - k) * (d * density - k) / k;
  dispersion = reach_.size() > 1 ? std::max(1.0, dispersion / (lookups - 1)) : 1;

  Result result;
  result.lookups = static_cast<std::uint32_t>(reach_.size());
  result.nodes = std::max({(observations - 1) / sum - 1, seen, 1.0});
  const double worth = 1 / (1 / observations + 1 / (kNodeWorth * result.nodes)) / dispersion;
  result.low = std::max(seen, density * chi_square(2 * worth, -kNormal95) - 1);
  result.high = std::max(result.nodes, density * chi_square(2 * worth, kNormal95) - 1);
  result.low = std::min(result.low, result.nodes);
  return result;
}

}  // namespace lodestone::dht
