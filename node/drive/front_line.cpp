// SPDX-License-Identifier: Apache-2.0
#include "node/drive/front_line.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <system_error>

namespace lodestone::node {

FrontLine::FrontLine() : bell_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (!bell_) throw std::system_error(last_error(), "eventfd");
}

void FrontLine::ring() {
  if (rung_.exchange(true, std::memory_order_acq_rel)) return;
  const std::uint64_t one = 1;
  (void)!::write(bell_.fd(), &one, sizeof(one));  // it can only fail for being rung already
}

void FrontLine::answer() {
  std::uint64_t rung = 0;
  (void)!::read(bell_.fd(), &rung, sizeof(rung));
  rung_.store(false, std::memory_order_release);
}

void FrontLine::tell(const Counts& counts) {
  const std::scoped_lock lock(mutex_);
  counts_ = counts;
}

FrontLine::Counts FrontLine::counts() const {
  const std::scoped_lock lock(mutex_);
  return counts_;
}

}  // namespace lodestone::node
