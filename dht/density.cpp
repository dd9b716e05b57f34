// SPDX-License-Identifier: Apache-2.0
#include "dht/density.hpp"

#include <algorithm>
#include <cmath>

#include "wire/base/bytes.hpp"

namespace lodestone::dht {

double share_of_key_space(const wire::Distance& distance) {
  // 64 bits tell any two nodes apart.
  return std::ldexp(static_cast<double>(wire::load_be64(distance.bytes().data())) + 1, -64);
}

void Density::add(const wire::Key& target, double share) {
  const std::uint32_t name = wire::load_be32(target.bytes().data());
  std::erase_if(samples_, [name](const Sample& s) { return s.target == name; });
  if (samples_.size() == kKept) samples_.erase(samples_.begin());
  if (samples_.capacity() == samples_.size()) samples_.reserve(std::min(kKept, samples_.size() + 4));
  samples_.push_back({name, static_cast<float>(share)});
}

std::optional<double> Density::nodes() const {
  if (samples_.size() < kEnough) return std::nullopt;
  return std::max(nodes_by(samples_), nodes_by(std::span{samples_}.last(std::min(kLatest, samples_.size()))));
}

double Density::nodes_by(std::span<const Sample> samples) const {
  std::vector<float> shares;
  for (const Sample& s : samples) shares.push_back(s.share);
  const auto middle = shares.begin() + static_cast<std::ptrdiff_t>(shares.size() / 2);
  std::nth_element(shares.begin(), middle, shares.end());
  // The median of Gamma(k, 1), to a part in a thousand.
  const double median = k_ - 1.0 / 3 + 0.02 / k_;
  return median / static_cast<double>(*middle);
}

double Density::share_of(double expected) const {
  const auto n = nodes();
  return n ? expected / *n : 0;
}

}  // namespace lodestone::dht
