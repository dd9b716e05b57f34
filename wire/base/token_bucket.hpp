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
  /// When n tokens will be there (now, if they are); kNever when the rate is so low (or 0) that waiting makes no sense.
  /// n <= burst.
  [[nodiscard]] Instant ready_at(Instant now, double n = 1) {
    refill(now);
    if (tokens_ >= n) return now;
    // A century does not overflow the 64 bits of nanoseconds; beyond that the conversion would be undefined.
    constexpr double kCentury = 100 * 365.25 * 86400;
    if (n - tokens_ > rate_ * kCentury) return kNever;
    const Duration wait = from_seconds((n - tokens_) / rate_) + Duration{1};
    return wait > kNever - now ? kNever : now + wait;
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
