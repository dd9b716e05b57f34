// SPDX-License-Identifier: Apache-2.0
// A bounded queue from one thread to one other, without locks. What is queued is made and read in its slot. Invariant:
// the producer alone calls back() and push(), the consumer alone front() and pop().
#pragma once

#include <atomic>
#include <bit>
#include <cassert>
#include <cstddef>
#include <vector>

namespace lodestone::node {

template <class T>
class SpscQueue {
 public:
  /// capacity: a power of two.
  explicit SpscQueue(std::size_t capacity) : slots_(capacity) { assert(std::has_single_bit(capacity)); }

  /// Where the next one is to be made; it still has what was there before. Null: full.
  [[nodiscard]] T* back() {
    const std::size_t written = written_.load(std::memory_order_relaxed);
    if (written - read_.load(std::memory_order_acquire) == slots_.size()) return nullptr;
    return &slots_[written & (slots_.size() - 1)];
  }
  /// It is made.
  void push() { written_.store(written_.load(std::memory_order_relaxed) + 1, std::memory_order_release); }

  /// The oldest one. Null: none.
  [[nodiscard]] T* front() {
    const std::size_t read = read_.load(std::memory_order_relaxed);
    if (read == written_.load(std::memory_order_acquire)) return nullptr;
    return &slots_[read & (slots_.size() - 1)];
  }
  /// It has been read.
  void pop() { read_.store(read_.load(std::memory_order_relaxed) + 1, std::memory_order_release); }

 private:
  static constexpr std::size_t kLine = 64;  // what two threads write is not to share a line of the cache

  std::vector<T> slots_;
  alignas(kLine) std::atomic<std::size_t> written_ = 0;
  alignas(kLine) std::atomic<std::size_t> read_ = 0;
};

}  // namespace lodestone::node
