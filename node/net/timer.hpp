// SPDX-License-Identifier: Apache-2.0
// One deadline of one driver. Cheap to arm again and again: a machine's next_deadline() mostly moves away, so a timer
// that is armed for an earlier moment is left alone and its owner, called a little early, arms it anew.
// Invariant: after disarm() or destruction the handler is never called.
#pragma once

#include <functional>
#include <memory>

#include "wire/base/time.hpp"

namespace asio {
class io_context;
}

namespace lodestone::node {

class Timer {
 public:
  /// No driver asks to be called again sooner than that.
  static constexpr wire::Duration kGrain = std::chrono::milliseconds(1);

  Timer(asio::io_context& io, std::function<void()> handler);
  Timer(Timer&&) noexcept = default;
  Timer& operator=(Timer&&) = delete;
  ~Timer();

  /// Calls the handler once, at `at` or - when armed for an earlier moment before - at that one. kNever changes
  /// nothing.
  void arm(wire::Instant at);
  void disarm();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace lodestone::node
