// SPDX-License-Identifier: Apache-2.0
#include "node/net/clock.hpp"

#include <time.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>

namespace lodestone::node {
namespace {

wire::Instant read_clock(clockid_t id) {
  timespec t{};
  clock_gettime(id, &t);
  return wire::Instant{std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec)};
}

/// Field 22 of /proc/self/stat counts clock ticks since boot. The command name before it may hold anything, spaces and
/// brackets included, so fields are counted from the last closing bracket.
wire::Instant read_process_start() {
  const wire::Instant now = clock_now();
  std::ifstream file("/proc/self/stat");
  std::string line;
  if (!std::getline(file, line)) return now;
  std::size_t at = line.rfind(')');
  if (at == std::string::npos) return now;
  for (int field = 2; field < 22; ++field) {
    at = line.find(' ', at + 1);
    if (at == std::string::npos) return now;
  }
  const unsigned long long ticks = std::strtoull(line.c_str() + at + 1, nullptr, 10);
  const long per_second = sysconf(_SC_CLK_TCK);
  if (ticks == 0 || per_second <= 0) return now;
  const auto after_boot = wire::from_seconds(static_cast<double>(ticks) / static_cast<double>(per_second));
  const wire::Duration age = read_clock(CLOCK_BOOTTIME).time_since_epoch() - after_boot;
  // A tick is 10 ms: the true start lies within one tick after the one counted.
  return age > wire::Duration::zero() ? now - age : now;
}

}  // namespace

wire::Instant clock_now() { return read_clock(CLOCK_MONOTONIC); }

wire::UnixSeconds wall_now() { return static_cast<wire::UnixSeconds>(::time(nullptr)); }

wire::Instant process_start() {
  static const wire::Instant start = read_process_start();
  return start;
}

}  // namespace lodestone::node
