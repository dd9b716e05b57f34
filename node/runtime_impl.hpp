// SPDX-License-Identifier: Apache-2.0
// The inside of Runtime, for node/ only. Order matters: io_context is destroyed last but for the trap, which still ends
// a process whose workers are slow to end; the blocks' pool goes after everything that may hold blocks.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>

#include "node/drive/disk_driver.hpp"
#include "node/net/fd.hpp"
#include "node/net/resolver.hpp"
#include "node/net/signal_trap.hpp"
#include "node/net/timer.hpp"
#include "node/ops/worker.hpp"
#include "node/runtime.hpp"
#include "wire/base/block.hpp"

namespace lodestone::node {

struct Runtime::Impl {
  explicit Impl(const RuntimeConfig& runtime_config);

  struct Periodic {
    wire::Duration period;
    std::function<bool()> f;
    std::unique_ptr<Timer> timer;
  };

  RuntimeConfig config;
  std::optional<SignalTrap> trap;
  asio::io_context io{1};
  asio::executor_work_guard<asio::io_context::executor_type> work;
  wire::BlockPool blocks;
  DiskDriver disk;
  Worker saver;   // the state directory
  Worker hasher;  // what strangers sent and may be long; not behind the saver, who waits for fsync
  Resolver resolver;
  std::vector<std::unique_ptr<Periodic>> periodic;
  WatchedFd first_signal;
  bool stopped = false;

  void tick(Periodic* which);
};

}  // namespace lodestone::node
