// SPDX-License-Identifier: Apache-2.0
// The only maker of wire::Instant outside the simulator: the system's monotonic clock. A driver reads it once per
// wake-up and hands the value on.
#pragma once

#include "wire/base/time.hpp"

namespace lodestone::node {

/// Nanoseconds of CLOCK_MONOTONIC: the epoch that Asio's timers use, too.
[[nodiscard]] wire::Instant clock_now();
/// Wall time, for what must mean the same after a restart.
[[nodiscard]] wire::UnixSeconds wall_now();
/// When this process started (from the kernel, so that the loader's time counts), on clock_now()'s scale.
[[nodiscard]] wire::Instant process_start();

}  // namespace lodestone::node
