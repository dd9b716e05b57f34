// SPDX-License-Identifier: Apache-2.0
// N worker threads that execute storage jobs (D5: hashing and disk never on the network thread). No driver of its own:
// results pile up and `wake` is called once per empty-to-non-empty change, from a worker; the network thread then calls
// drain(). Queues are bounded by what callers keep in flight: pressure() says how much that is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "storage/disk/executor.hpp"
#include "storage/plan/job.hpp"

namespace lodestone::storage {

class DiskPool {
 public:
  using StoreId = std::uint64_t;
  struct Completed {
    StoreId store;
    Result result;
  };

  DiskPool(std::size_t threads, std::function<void()> wake);
  /// Finishes running jobs, drops queued ones (a caller that wants them done waits for Closed first).
  ~DiskPool();
  DiskPool(const DiskPool&) = delete;
  DiskPool& operator=(const DiskPool&) = delete;

  [[nodiscard]] StoreId add(std::unique_ptr<FileSet> files);
  /// Jobs start in order of submission; reads go before everything else that waits. Close runs after all the store's
  /// others.
  void submit(StoreId store, Job&& job);
  /// Moves all results so far to the end of `out`.
  void drain(std::vector<Completed>& out);
  /// After Closed came back (or when nothing of it is in flight).
  void remove(StoreId store);
  /// Payload bytes queued or running: blocks of StorePiece, Spill and Read. The other jobs carry none.
  [[nodiscard]] std::size_t pressure() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lodestone::storage
