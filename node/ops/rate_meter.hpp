// SPDX-License-Identifier: Apache-2.0
// How fast a counter grows, in events a second: an average in which what is kHalfLife old weighs half as much as what
// is now. Pure; update() from whoever has the counter, about once a second.
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>

#include "wire/base/time.hpp"

namespace lodestone::node {

class RateMeter {
 public:
  static constexpr wire::Duration kHalfLife = std::chrono::seconds(10);

  void update(wire::Instant now, std::uint64_t count) {
    if (!at_) {
      at_ = now;
      count_ = count;
      return;
    }
    const double seconds = wire::to_seconds(now - *at_);
    if (seconds <= 0) return;
    const double rate = count > count_ ? static_cast<double>(count - count_) / seconds : 0;
    // The first stretch is all that there is to go by.
    const double old = measured_ ? std::exp2(-seconds / wire::to_seconds(kHalfLife)) : 0;
    rate_ = old * rate_ + (1 - old) * rate;
    measured_ = true;
    at_ = now;
    count_ = count;
  }

  [[nodiscard]] double per_second() const { return rate_; }

 private:
  std::optional<wire::Instant> at_;
  std::uint64_t count_ = 0;
  double rate_ = 0;
  bool measured_ = false;
};

}  // namespace lodestone::node
