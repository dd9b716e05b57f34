// SPDX-License-Identifier: Apache-2.0
#include "node/net/signal_trap.hpp"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cassert>
#include <cerrno>
#include <cstdint>
#include <system_error>

namespace lodestone::node {
namespace {

// All that a handler may touch.
std::atomic<int> first_signal = 0;
std::atomic<int> event_fd = -1;
static_assert(std::atomic<int>::is_always_lock_free);

extern "C" void on_signal(int number) {
  int none = 0;
  if (!first_signal.compare_exchange_strong(none, number)) ::_exit(128 + number);
  const int interrupted = errno;
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(event_fd, &one, sizeof(one));
  errno = interrupted;
}

UniqueFd checked(int fd, const char* what) {
  if (fd < 0) throw std::system_error(errno, std::system_category(), what);
  return UniqueFd{fd};
}

}  // namespace

SignalTrap::SignalTrap() : event_(checked(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")) {
  assert(event_fd < 0);
  first_signal = 0;
  event_fd = event_.fd();
  struct sigaction action{};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);  // and no SA_RESTART: a write to a pipe that nobody reads shall end with the first one
  ::sigaction(SIGINT, &action, &old_int_);
  ::sigaction(SIGTERM, &action, &old_term_);
}

SignalTrap::~SignalTrap() {
  ::sigaction(SIGINT, &old_int_, nullptr);
  ::sigaction(SIGTERM, &old_term_, nullptr);
  event_fd = -1;
}

std::optional<int> SignalTrap::caught() const {
  const int number = first_signal;
  return number == 0 ? std::nullopt : std::optional(number);
}

UniqueFd SignalTrap::readable() const { return checked(::fcntl(event_.fd(), F_DUPFD_CLOEXEC, 0), "dup"); }

}  // namespace lodestone::node
