// SPDX-License-Identifier: Apache-2.0
#include "node/ops/worker.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

namespace lodestone::node {

struct Worker::State {
  explicit State(Post p) : post(std::move(p)) {}

  const Post post;
  std::mutex mutex;  // guards queue and ending
  std::condition_variable changed;
  std::deque<std::move_only_function<void()>> queue;
  bool ending = false;
  std::thread thread;  // made with the first work: most processes have none

  void loop() {
    std::unique_lock lock(mutex);
    for (;;) {
      changed.wait(lock, [this] { return ending || !queue.empty(); });
      if (queue.empty()) return;
      {
        std::move_only_function<void()> work = std::move(queue.front());
        queue.pop_front();
        lock.unlock();
        work();
      }  // what it owned goes without the lock, too
      lock.lock();
    }
  }
};

Worker::Worker(Post post) : state_(std::make_unique<State>(std::move(post))) {}

Worker::~Worker() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->ending = true;
  }
  state_->changed.notify_one();
  if (state_->thread.joinable()) state_->thread.join();
}

void Worker::run(std::move_only_function<void()> work) {
  {
    const std::lock_guard lock(state_->mutex);
    state_->queue.push_back(std::move(work));
  }
  if (!state_->thread.joinable()) state_->thread = std::thread([state = state_.get()] { state->loop(); });
  state_->changed.notify_one();
}

void Worker::answer(std::move_only_function<void()> f) { state_->post(std::move(f)); }

}  // namespace lodestone::node
