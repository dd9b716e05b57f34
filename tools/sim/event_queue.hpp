// SPDX-License-Identifier: Apache-2.0
// Virtual time. What was put in comes out by (time, order of insertion), so a run depends on nothing but its inputs.
// Each entry is 32 bytes and names what it is about by two numbers; the owner keeps the rest.
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

  void push(wire::Instant at, std::uint32_t kind, std::uint32_t slot, std::uint32_t generation);
  /// Not empty.
  [[nodiscard]] const Entry& top() const { return heap_.front(); }
  Entry pop();
  [[nodiscard]] bool empty() const { return heap_.empty(); }
  [[nodiscard]] std::size_t size() const { return heap_.size(); }

 private:
  std::vector<Entry> heap_;
  std::uint64_t sequence_ = 0;
};

}  // namespace lodestone::tools::sim
