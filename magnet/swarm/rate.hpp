// SPDX-License-Identifier: Apache-2.0
// A sliding rate: bytes a second over the last 16 slices of time (16 s with the usual slice of 1 s). Young estimators
// divide by their age, so that the first seconds tell the truth, too. Fixed memory, O(1) to feed.
#pragma once

#include <array>
#include <cstdint>

#include "wire/base/time.hpp"

namespace lodestone::magnet {

class Rate {
 public:
  static constexpr std::int64_t kSlices = 16;

  explicit Rate(wire::Duration slice = std::chrono::seconds(1)) : slice_(slice) {}

  void add(wire::Instant now, std::uint64_t bytes);
  /// Bytes a second. Never negative, 0 after a window without news.
  [[nodiscard]] double per_second(wire::Instant now) const;
  /// Everything ever added.
  [[nodiscard]] std::uint64_t total() const { return total_; }
  [[nodiscard]] wire::Duration window() const { return slice_ * kSlices; }

 private:
  [[nodiscard]] std::int64_t number(wire::Instant now) const { return now.time_since_epoch() / slice_; }

  wire::Duration slice_;
  std::array<std::uint64_t, kSlices> slices_{};
  std::int64_t newest_ = 0;  // number of the slice that is being filled
  wire::Instant begin_{};    // of the present run of activity
  std::uint64_t total_ = 0;
};

}  // namespace lodestone::magnet
