// SPDX-License-Identifier: Apache-2.0
#include "node/runtime.hpp"

#include <utility>

#include <asio/post.hpp>

#include "node/net/clock.hpp"
#include "node/net/entropy.hpp"
#include "node/runtime_impl.hpp"
#include "node/session.hpp"

namespace lodestone::node {
namespace {

/// Runs before the first thread is made (DiskDriver makes some).
const RuntimeConfig& prepared(const RuntimeConfig& config) {
  init_entropy();
  (void)process_start();
  return config;
}

}  // namespace

Runtime::Impl::Impl(const RuntimeConfig& runtime_config)
    : config(prepared(runtime_config)),
      work(asio::make_work_guard(io)),
      blocks(config.block_memory),
      disk(io, config.disk_threads),
      saver([this](std::move_only_function<void()> f) { asio::post(io, std::move(f)); }),
      hasher([this](std::move_only_function<void()> f) { asio::post(io, std::move(f)); }),
      resolver([this](std::function<void()> f) { asio::post(io, std::move(f)); }) {}

void Runtime::Impl::tick(Periodic* which) {
  if (which->f()) {
    which->timer->arm(clock_now() + which->period);
    return;
  }
  // The timer is in its own handler here: it goes a moment later.
  asio::post(io, [this, which] { std::erase_if(periodic, [which](const auto& p) { return p.get() == which; }); });
}

Runtime::Runtime(RuntimeConfig config) : impl_(std::make_unique<Impl>(config)) {}
Runtime::~Runtime() = default;

void Runtime::run() {
  if (!impl_->stopped) impl_->io.run();
}

void Runtime::stop() {
  // Posted: what was posted before still runs, and a stop() before run() is not lost.
  asio::post(impl_->io, [impl = impl_.get()] {
    impl->stopped = true;
    impl->io.stop();
  });
}

void Runtime::post(std::function<void()> f) { asio::post(impl_->io, std::move(f)); }

void Runtime::every(wire::Duration period, std::function<bool()> f) {
  auto periodic = std::make_unique<Impl::Periodic>(Impl::Periodic{period, std::move(f), nullptr});
  Impl::Periodic* which = periodic.get();
  periodic->timer = std::make_unique<Timer>(impl_->io, [impl = impl_.get(), which] { impl->tick(which); });
  periodic->timer->arm(clock_now() + period);
  impl_->periodic.push_back(std::move(periodic));
}

void Runtime::on_signal(std::function<void(int signal)> f) {
  impl_->trap.emplace();
  impl_->first_signal = WatchedFd{impl_->io, impl_->trap->readable(), [impl = impl_.get(), f = std::move(f)](auto) {
                                    if (const auto signal = impl->trap->caught()) f(*signal);
                                  }};
  impl_->first_signal.want_read();
}

wire::Instant Runtime::now() const { return clock_now(); }

double seconds_since_process_start() { return wire::to_seconds(clock_now() - process_start()); }

}  // namespace lodestone::node
