// SPDX-License-Identifier: Apache-2.0
#include "node/net/fd.hpp"

#include <unistd.h>

#include <cerrno>

#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>

namespace lodestone::node {

std::error_code last_error() { return {errno, std::system_category()}; }

void UniqueFd::reset() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

struct WatchedFd::Impl {
  Impl(asio::io_context& io, Handler h) : descriptor(io), handler(std::move(h)) {}

  asio::posix::stream_descriptor descriptor;
  Handler handler;  // destroyed with Impl only: close() may be called from inside it
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

int WatchedFd::fd() const { return impl_ ? impl_->descriptor.native_handle() : -1; }

void WatchedFd::want_read() {
  if (!impl_ || impl_->reading) return;
  impl_->reading = true;
  impl_->descriptor.async_wait(asio::posix::stream_descriptor::wait_read, [impl = impl_](const asio::error_code&) {
    impl->reading = false;
    if (!impl->closed) impl->handler(Ready::read);
  });
}

void WatchedFd::want_write() {
  if (!impl_ || impl_->writing) return;
  impl_->writing = true;
  impl_->descriptor.async_wait(asio::posix::stream_descriptor::wait_write, [impl = impl_](const asio::error_code&) {
    impl->writing = false;
    if (!impl->closed) impl->handler(Ready::write);
  });
}

UniqueFd WatchedFd::release() {
  if (!impl_) return UniqueFd{};
  impl_->closed = true;
  UniqueFd fd{impl_->descriptor.release()};
  impl_.reset();
  return fd;
}

void WatchedFd::close() {
  if (!impl_) return;
  impl_->closed = true;
  asio::error_code ignored;
  impl_->descriptor.close(ignored);
  impl_.reset();
}

}  // namespace lodestone::node
