// SPDX-License-Identifier: Apache-2.0
// What the system says about this process, from /proc/self; what it does not say is 0. Reads a few small files: not for
// the network thread.
#pragma once

#include <cstdint>

namespace lodestone::node {

struct ProcessStats {
  std::uint64_t resident_bytes = 0, virtual_bytes = 0;
  std::uint64_t open_fds = 0, max_fds = 0;  // max 0: without limit
  std::uint64_t threads = 0;
  double cpu_seconds = 0;    // user and system
  double start_seconds = 0;  // Unix time
};

[[nodiscard]] ProcessStats process_stats();

}  // namespace lodestone::node
