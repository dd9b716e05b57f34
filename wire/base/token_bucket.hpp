// SPDX-License-Identifier: Apache-2.0
// A rate limit: `burst` tokens at most, refilled at `rate` a second. 16 bytes of state, no timer.
#pragma once

#include "wire/base/time.hpp"

namespace lodestone::wire {

class TokenBucket {
 public:
  /// Starts full.
  constexpr TokenBucket(double rate, double burst) : rate_(rate), burst_(burst), tokens_(burst) {}

  /// Takes n tokens if they are there.
  bool take(Instant now, double n = 1) {
    refill(now);
    if (tokens_ < n) return false;
    tokens_ -= n;
    return true;
  }
  [[nodiscard]] double available(Instant now) {
    refill(now);
    return tokens_;
  }
  /// When n tokens will be there (now, if they are). n <= burst.
  [[nodiscard]] Instant ready_at(Instant now, double n = 1) {
    refill(now);
    if (tokens_ >= n) return now;
    return now + from_seconds((n - tokens_) / rate_) + Duration{1};
  }

 private:
  void refill(Instant now) {
    if (now <= last_) return;
    if (last_ != Instant::min()) tokens_ += rate_ * to_seconds(now - last_);
    if (tokens_ > burst_) tokens_ = burst_;
    last_ = now;
  }

  double rate_;
  double burst_;
  double tokens_;
  Instant last_ = Instant::min();
};

}  // namespace lodestone::wire
