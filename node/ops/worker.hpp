// SPDX-License-Identifier: Apache-2.0
// One thread for the small files of the state directory (D5: no disk on the network thread): DHT snapshots, unfinished
// metadata. Work runs in order of submission; destruction waits until all of it is done.
#pragma once

#include <functional>
#include <memory>

namespace lodestone::node {

class Worker {
 public:
  Worker();
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// `work` owns what it needs. It runs on the saver's thread.
  void run(std::function<void()> work);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lodestone::node
