// SPDX-License-Identifier: Apache-2.0
// What many sessions of one process share: the event loop, the payload memory, the disk workers. A `testnet` is one
// Runtime and many Sessions. One network thread: the thread that calls run(); everything but the disk workers lives on
// it.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "wire/base/time.hpp"

namespace lodestone::node {

struct RuntimeConfig {
  std::size_t block_memory = 48u << 20;  // bytes of payload in flight, for all torrents
  std::size_t disk_threads = 2;
};

class Runtime {
 public:
  explicit Runtime(RuntimeConfig config);
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  /// Runs until stop(). Returns at once if stopped before.
  void run();
  void stop();
  /// Runs `f` on the network thread, soon; may be called from any thread.
  void post(std::function<void()> f);
  /// Calls `f` every `period` on the network thread until it returns false or the runtime stops.
  void every(wire::Duration period, std::function<bool()> f);
  /// Tells of the first INT or TERM: f(signal number). A second one ends the process at once (SignalTrap). Installed
  /// once.
  void on_signal(std::function<void(int signal)> f);
  [[nodiscard]] wire::Instant now() const;

  struct Impl;
  [[nodiscard]] Impl& impl() { return *impl_; }  // for node/ only

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace lodestone::node
