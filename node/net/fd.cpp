// SPDX-License-Identifier: Apache-2.0
#include "node/net/fd.hpp"

#include <unistd.h>

#include <cerrno>

#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/post.hpp>

namespace lodestone::node {

std::error_code last_error() { return {errno, std::system_category()}; }

void UniqueFd::reset() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

struct WatchedFd::Impl {
  Impl(asio::io_context& io, Handler h) : descriptor(io), handler(std::move(h)) {}

  [[nodiscard]] bool watch() {
    if (!resting) return true;
    asio::error_code error;
    descriptor.assign(resting.fd(), error);
    if (!error) (void)resting.release();
    return !error;
  }

  asio::posix::stream_descriptor descriptor;
  Handler handler;   // destroyed with Impl only: close() may be called from inside it
  UniqueFd resting;  // while it is not the descriptor's
  bool reading = false;
  bool writing = false;
  bool closed = false;
};

WatchedFd::WatchedFd(asio::io_context& io, UniqueFd fd, Handler handler)
    : impl_(std::make_shared<Impl>(io, std::move(handler))) {
  asio::error_code error;
  impl_->descriptor.assign(fd.fd(), error);
  if (error) {
    impl_.reset();
    return;
  }
  (void)fd.release();
}

WatchedFd& WatchedFd::operator=(WatchedFd&& other) noexcept {
  if (this != &other) {
    close();
    impl_ = std::move(other.impl_);
  }
  return *this;
}

WatchedFd::~WatchedFd() { close(); }

bool WatchedFd::valid() const { return impl_ != nullptr; }

int WatchedFd::fd() const {
  if (!impl_) return -1;
  return impl_->resting ? impl_->resting.fd() : impl_->descriptor.native_handle();
}

void WatchedFd::want_read() {
  if (!impl_ || impl_->reading) return;
  impl_->reading = true;
  auto done = [impl = impl_](const asio::error_code&) {
    impl->reading = false;
    if (!impl->closed) impl->handler(Ready::read);
  };
  if (impl_->watch()) {
    impl_->descriptor.async_wait(asio::posix::stream_descriptor::wait_read, std::move(done));
  } else {
    // The system lacks the memory to watch it: looking again and again is better than being deaf.
    asio::post(impl_->descriptor.get_executor(), [done = std::move(done)] { done({}); });
  }
}

void WatchedFd::want_write() {
  if (!impl_ || impl_->writing) return;
  impl_->writing = true;
  auto done = [impl = impl_](const asio::error_code&) {
    impl->writing = false;
    if (!impl->closed) impl->handler(Ready::write);
  };
  if (impl_->watch()) {
    impl_->descriptor.async_wait(asio::posix::stream_descriptor::wait_write, std::move(done));
  } else {
    asio::post(impl_->descriptor.get_executor(), [done = std::move(done)] { done({}); });
  }
}

void WatchedFd::rest() {
  if (impl_ && !impl_->resting && !impl_->reading && !impl_->writing)
    impl_->resting = UniqueFd{impl_->descriptor.release()};
}

UniqueFd WatchedFd::release() {
  if (!impl_) return UniqueFd{};
  impl_->closed = true;
  UniqueFd fd = impl_->resting ? std::move(impl_->resting) : UniqueFd{impl_->descriptor.release()};
  impl_.reset();
  return fd;
}

void WatchedFd::close() {
  if (!impl_) return;
  impl_->closed = true;
  asio::error_code ignored;
  impl_->descriptor.close(ignored);
  impl_->resting.reset();
  impl_.reset();
}

}  // namespace lodestone::node
