// SPDX-License-Identifier: Apache-2.0
#include "node/net/timer.hpp"

#include <utility>

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>

namespace lodestone::node {

struct Timer::Impl {
  Impl(asio::io_context& io, std::function<void()> h) : timer(io), handler(std::move(h)) {}

  asio::steady_timer timer;
  std::function<void()> handler;
  wire::Instant armed = wire::kNever;  // kNever: not pending
  std::uint64_t generation = 0;        // tells a completion that was overtaken from the current one
};

Timer::Timer(asio::io_context& io, std::function<void()> handler)
    : impl_(std::make_shared<Impl>(io, std::move(handler))) {}

Timer::~Timer() {
  if (impl_) disarm();
}

void Timer::arm(wire::Instant at) {
  if (at >= impl_->armed) return;
  impl_->armed = at;
  const std::uint64_t generation = ++impl_->generation;
  impl_->timer.expires_at(std::chrono::steady_clock::time_point{
      std::chrono::duration_cast<std::chrono::steady_clock::duration>(at.time_since_epoch())});
  impl_->timer.async_wait([impl = impl_, generation](const asio::error_code&) {
    if (generation != impl->generation) return;
    impl->armed = wire::kNever;
    impl->handler();
  });
}

void Timer::disarm() {
  ++impl_->generation;
  impl_->armed = wire::kNever;
  impl_->timer.cancel();
}

}  // namespace lodestone::node
