// SPDX-License-Identifier: Apache-2.0
// One torrent's store: the file set plus the little state that jobs share (what is written, what is synced, the
// journal). execute() runs one job on the calling thread: a disk worker, the simulator, a test. Jobs of one torrent may
// run at once on several threads, except that Open comes before and Close after all others.
#pragma once

#include <memory>

#include "storage/disk/file_set.hpp"
#include "storage/plan/job.hpp"

namespace lodestone::storage {

class Store {
 public:
  explicit Store(std::unique_ptr<FileSet> files);
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  [[nodiscard]] Result execute(Job&& job);
  [[nodiscard]] FileSet& files();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lodestone::storage
