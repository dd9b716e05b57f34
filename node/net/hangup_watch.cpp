// SPDX-License-Identifier: Apache-2.0
#include "node/net/hangup_watch.hpp"

#include <signal.h>

#include <utility>

#include <asio/signal_set.hpp>

#include "node/runtime_impl.hpp"

namespace lodestone::node {

struct HangupWatch::Impl : std::enable_shared_from_this<Impl> {
  Impl(asio::io_context& io, std::function<void()> function) : signals(io, SIGHUP), f(std::move(function)) {}

  void wait() {
    signals.async_wait([self = shared_from_this()](asio::error_code error, int) {
      if (error || !self->f) return;
      self->wait();  // first: whatever comes from here on is one more call
      const std::function<void()> call = self->f;
      call();
    });
  }

  asio::signal_set signals;
  std::function<void()> f;  // empty: the watch has ended, a completion may still be queued
};

HangupWatch::HangupWatch(Runtime& runtime, std::function<void()> f)
    : impl_(std::make_shared<Impl>(runtime.impl().io, std::move(f))) {
  impl_->wait();
}

HangupWatch::~HangupWatch() {
  impl_->f = nullptr;
  asio::error_code ignored;
  impl_->signals.cancel(ignored);
  impl_->signals.clear(ignored);
}

}  // namespace lodestone::node
