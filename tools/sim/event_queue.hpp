// SPDX-License-Identifier: Apache-2.0
// Virtual time. What was put in comes out by (time, order of insertion), so a run depends on nothing but its inputs.
// Each entry is 32 bytes and names what it is about by two numbers; the owner keeps the rest.
// A crowd has a timer pending for each of its nodes, and nearly every event arms one: one heap of all would be walked
// through cold memory each time. Only what is due within the current slot of 4 ms is in a heap; what comes within a
// minute waits, unsorted, in the slot of its time, and what is later than that in a heap of its own.
// Invariant: unless the queue is empty, the earliest entry is the first of `near_`.
#pragma once

#include <cstdint>
#include <vector>

#include "wire/base/time.hpp"

namespace lodestone::tools::sim {

class EventQueue {
 public:
  struct Entry {
    wire::Instant at;
    std::uint64_t sequence;
    std::uint32_t kind;  // the owner's
    std::uint32_t slot;
    std::uint32_t generation;
  };

  EventQueue() : wheel_(kSlots) {}

  /// May be before what has been taken out: it is the next then.
  void push(wire::Instant at, std::uint32_t kind, std::uint32_t slot, std::uint32_t generation);
  /// Not empty.
  [[nodiscard]] const Entry& top() const { return near_.front(); }
  Entry pop();
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  static constexpr int kSlotBits = 22;  // nanoseconds: 4.2 ms
  static constexpr std::size_t kSlots = 1u << 14;

  [[nodiscard]] static std::int64_t slot_of(wire::Instant at) { return at.time_since_epoch().count() >> kSlotBits; }
  [[nodiscard]] std::vector<Entry>& waiting(std::int64_t slot) {
    return wheel_[static_cast<std::size_t>(slot) % kSlots];
  }
  /// Goes on to the next slot that has something, when nothing is near.
  void advance();

  std::vector<Entry> near_;                // a heap: of slots up to `current_`
  std::vector<std::vector<Entry>> wheel_;  // of the slots after that
  std::vector<Entry> far_;                 // a heap: of those beyond
  std::int64_t current_ = 0;
  std::size_t waiting_ = 0;  // in the wheel
  std::size_t size_ = 0;
  std::uint64_t sequence_ = 0;
};

}  // namespace lodestone::tools::sim
