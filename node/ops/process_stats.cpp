// SPDX-License-Identifier: Apache-2.0
#include "node/ops/process_stats.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "node/net/clock.hpp"

namespace lodestone::node {
namespace {

std::uint64_t count_entries(const char* folder) {
  std::error_code failed;
  std::uint64_t n = 0;
  for (std::filesystem::directory_iterator i(folder, failed), end; !failed && i != end; i.increment(failed)) ++n;
  return n;
}

double seconds_of(const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; }

/// Once: it shall not move when somebody sets the clock, nor by what rounding makes of it.
double start_of_process() {
  static const double start = [] {
    const std::chrono::duration<double> wall = std::chrono::system_clock::now().time_since_epoch();
    return wall.count() - wire::to_seconds(clock_now() - process_start());
  }();
  return start;
}

}  // namespace

ProcessStats process_stats() {
  ProcessStats stats;
  std::uint64_t total_pages = 0, resident_pages = 0;
  std::ifstream("/proc/self/statm") >> total_pages >> resident_pages;
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  stats.virtual_bytes = total_pages * page;
  stats.resident_bytes = resident_pages * page;
  const std::uint64_t fds = count_entries("/proc/self/fd");
  stats.open_fds = fds == 0 ? 0 : fds - 1;  // one of them is the iterator's
  stats.threads = count_entries("/proc/self/task");
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) stats.max_fds = limit.rlim_cur;
  rusage usage{};
  if (::getrusage(RUSAGE_SELF, &usage) == 0)
    stats.cpu_seconds = seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
  stats.start_seconds = start_of_process();
  return stats;
}

}  // namespace lodestone::node
