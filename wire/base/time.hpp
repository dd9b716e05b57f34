// SPDX-License-Identifier: Apache-2.0
// Time as an argument. The protocol rooms compute with instants that somebody hands them and can make none
// themselves: Clock has no now(). Only node/net/clock (the system's monotonic clock) and the simulator make instants.
#pragma once

#include <chrono>
#include <cstdint>

namespace lodestone::wire {

struct Clock {
  using rep = std::int64_t;
  using period = std::nano;
  using duration = std::chrono::duration<rep, period>;
  using time_point = std::chrono::time_point<Clock, duration>;
  static constexpr bool is_steady = true;
};

using Duration = Clock::duration;
using Instant = Clock::time_point;

/// A deadline that never comes.
inline constexpr Instant kNever = Instant::max();

/// Seconds since 1970-01-01 UTC, where something must mean the same after a restart (snapshots, resume files).
using UnixSeconds = std::int64_t;

[[nodiscard]] constexpr double to_seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

[[nodiscard]] constexpr Duration from_seconds(double s) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(s));
}

}  // namespace lodestone::wire
