// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/event_queue.hpp"

#include <algorithm>

namespace lodestone::tools::sim {
namespace {

bool later(const EventQueue::Entry& a, const EventQueue::Entry& b) {
  return a.at != b.at ? a.at > b.at : a.sequence > b.sequence;
}

}  // namespace

void EventQueue::push(wire::Instant at, std::uint32_t kind, std::uint32_t slot, std::uint32_t generation) {
  heap_.push_back({at, sequence_++, kind, slot, generation});
  std::push_heap(heap_.begin(), heap_.end(), later);
}

EventQueue::Entry EventQueue::pop() {
  std::pop_heap(heap_.begin(), heap_.end(), later);
  const Entry entry = heap_.back();
  heap_.pop_back();
  return entry;
}

}  // namespace lodestone::tools::sim
