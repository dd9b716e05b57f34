// SPDX-License-Identifier: Apache-2.0
// How another thread looks at what lives on the network thread: ask() has `look` run there and waits for what it saw,
// for so long and no longer. A network thread that does not react costs its askers their time and nothing else: until
// it has seen to the last question no new one is posted.
// ask() is for one thread; close() is for the network thread, and whoever is waiting then waits no longer.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "node/runtime.hpp"
#include "wire/base/time.hpp"

namespace lodestone::node {

template <class T>
class Inquiry {
 public:
  /// `look` runs on the network thread, never after close().
  Inquiry(Runtime& runtime, std::function<T()> look) : runtime_(runtime), state_(std::make_shared<State>()) {
    state_->look = std::move(look);
  }
  ~Inquiry() { close(); }
  Inquiry(const Inquiry&) = delete;
  Inquiry& operator=(const Inquiry&) = delete;

  /// nullopt: the network thread has not reacted in time, or it is closed.
  [[nodiscard]] std::optional<T> ask(wire::Duration limit) {
    std::unique_lock lock(state_->mutex);
    state_->seen.reset();  // an answer that came too late for the last question is too old for this one
    if (!state_->asked && !state_->closed) {
      state_->asked = true;
      runtime_.post([state = state_] { state->answer(); });
    }
    state_->changed.wait_for(lock, limit, [this] { return state_->seen || state_->closed; });
    return state_->closed ? std::nullopt : std::exchange(state_->seen, std::nullopt);
  }

  void close() {
    const std::lock_guard lock(state_->mutex);
    state_->closed = true;
    state_->look = nullptr;
    state_->changed.notify_all();
  }

 private:
  struct State {
    std::mutex mutex;
    std::condition_variable changed;
    std::function<T()> look;
    std::optional<T> seen;
    bool asked = false;
    bool closed = false;

    void answer() {
      const std::lock_guard lock(mutex);
      asked = false;
      if (closed) return;
      seen = look();
      changed.notify_all();
    }
  };

  Runtime& runtime_;
  std::shared_ptr<State> state_;
};

}  // namespace lodestone::node
