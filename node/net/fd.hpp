// SPDX-License-Identifier: Apache-2.0
// File descriptors: an owner, and one that the event loop watches. All sockets of the program are driven this way -
// readiness from Asio, bytes by readv, sendmsg, recvmmsg and sendmmsg on the descriptor itself - so that no other file
// needs Asio's socket headers.
// Invariant: after close(), release() or destruction the handler is never called again, even when a completion was
// already queued: the completion holds the watcher's inner state, sees that it is closed and returns.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <system_error>
#include <utility>

namespace asio {
class io_context;
}

namespace lodestone::node {

/// What the system call that has just failed says (errno).
[[nodiscard]] std::error_code last_error();

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~UniqueFd() { reset(); }

  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] explicit operator bool() const { return fd_ >= 0; }
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }
  void reset();

 private:
  int fd_ = -1;
};

class WatchedFd {
 public:
  enum class Ready : std::uint8_t { read, write };
  using Handler = std::function<void(Ready)>;

  WatchedFd() = default;
  /// Takes the descriptor, which must be non-blocking. Not valid() afterwards when the system could not watch it.
  WatchedFd(asio::io_context& io, UniqueFd fd, Handler handler);
  WatchedFd(WatchedFd&&) noexcept = default;
  WatchedFd& operator=(WatchedFd&& other) noexcept;
  ~WatchedFd();

  [[nodiscard]] bool valid() const;
  [[nodiscard]] int fd() const;
  /// The handler is called once when the descriptor is readable (or at its end, or broken). Level-triggered: what is
  /// ready already counts. While one is pending, further calls change nothing.
  void want_read();
  void want_write();
  /// While nothing is wanted: not watched until something is. Whatever leaves a watched socket, or comes in, has the
  /// system look for who waits for that, which is a twentieth of what a small datagram costs.
  void rest();
  /// Gives the descriptor back, unwatched.
  [[nodiscard]] UniqueFd release();
  void close();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace lodestone::node
