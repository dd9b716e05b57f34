// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/event_queue.hpp"

#include <algorithm>
#include <utility>

namespace lodestone::tools::sim {
namespace {

struct Later {
  bool operator()(const EventQueue::Entry& a, const EventQueue::Entry& b) const {
    return a.at != b.at ? a.at > b.at : a.sequence > b.sequence;
  }
};

}  // namespace

void EventQueue::push(wire::Instant at, std::uint32_t kind, std::uint32_t slot, std::uint32_t generation) {
  const Entry entry{at, sequence_++, kind, slot, generation};
  const std::int64_t when = slot_of(at);
  ++size_;
  if (when <= current_) {
    near_.push_back(entry);
    std::push_heap(near_.begin(), near_.end(), Later{});
  } else if (when < current_ + static_cast<std::int64_t>(kSlots)) {
    waiting(when).push_back(entry);
    ++waiting_;
  } else {
    far_.push_back(entry);
    std::push_heap(far_.begin(), far_.end(), Later{});
  }
  if (near_.empty()) advance();
}

EventQueue::Entry EventQueue::pop() {
  std::pop_heap(near_.begin(), near_.end(), Later{});
  const Entry entry = near_.back();
  near_.pop_back();
  --size_;
  if (near_.empty() && size_ != 0) advance();
  return entry;
}

void EventQueue::advance() {
  while (near_.empty()) {
    if (waiting_ == 0) current_ = slot_of(far_.front().at) - 1;
    ++current_;
    // What the wheel reaches now is put into it; a slot of its own is still to come.
    while (!far_.empty() && slot_of(far_.front().at) < current_ + static_cast<std::int64_t>(kSlots)) {
      std::pop_heap(far_.begin(), far_.end(), Later{});
      waiting(slot_of(far_.back().at)).push_back(far_.back());
      far_.pop_back();
      ++waiting_;
    }
    // The slot's memory goes with it: what a burst has needed is not kept by every slot.
    near_ = std::exchange(waiting(current_), {});
    waiting_ -= near_.size();
  }
  std::make_heap(near_.begin(), near_.end(), Later{});
}

}  // namespace lodestone::tools::sim
