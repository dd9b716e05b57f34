// SPDX-License-Identifier: Apache-2.0
// One thread for what must not hold up the network thread (D5): the small files of the state directory, hashing of info
// dicts. Work runs in order of submission; destruction waits until all of it is done. run() and ask() are for the
// network thread alone.
#pragma once

#include <functional>
#include <memory>
#include <utility>

namespace lodestone::node {

class Worker {
 public:
  /// Brings an answer to the network thread; called on the worker's, also while this is being destroyed.
  using Post = std::function<void(std::move_only_function<void()>)>;

  explicit Worker(Post post);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// `work` owns what it needs. It runs on the worker's thread.
  void run(std::move_only_function<void()> work);

  /// work() on the worker's thread, then done(its result) on the network thread; no done() once that thread has ended.
  template <class Work, class Done>
  void ask(Work work, Done done) {
    run([this, work = std::move(work), done = std::move(done)]() mutable {
      answer([result = work(), done = std::move(done)]() mutable { done(std::move(result)); });
    });
  }

 private:
  void answer(std::move_only_function<void()> f);

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lodestone::node
