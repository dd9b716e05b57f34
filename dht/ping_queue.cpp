// SPDX-License-Identifier: Apache-2.0
#include "dht/ping_queue.hpp"

#include <cassert>

namespace lodestone::dht {
namespace {}  // namespace

std::size_t PingQueue::bytes_for(wire::Family family, std::size_t capacity) {
  return AddressIndex::slots_for(capacity) * AddressIndex::kSlotBytes + capacity * wire::Endpoint::compact_size(family);
}

PingQueue::PingQueue(wire::Family family, std::size_t capacity, wire::Duration delay, const AddressNames& names,
                     wire::MutableBytes memory)
    : stride_(wire::Endpoint::compact_size(family)),
      capacity_(capacity),
      delay_(delay),
      names_(names),
      index_({reinterpret_cast<std::uint32_t*>(memory.data()), AddressIndex::slots_for(capacity)}, capacity),
      endpoints_(memory.data() + AddressIndex::slots_for(capacity) * AddressIndex::kSlotBytes) {
  assert(capacity >= 1 && memory.size() >= bytes_for(family, capacity));
  assert(reinterpret_cast<std::uintptr_t>(memory.data()) % AddressIndex::kSlotBytes == 0);
}

PingQueue::Verdict PingQueue::push(wire::Instant now, const wire::Endpoint& endpoint, Name name, wire::Rng& rng) {
  std::uint8_t compact[wire::Endpoint::compact_size(wire::Family::v6)];
  endpoint.write_compact(compact);
  if (index_.find(name, [&](Position p) { return names_.same(at(p), compact); }) != AddressIndex::kNone)
    return Verdict::here;
  const double filled = static_cast<double>(size()) / static_cast<double>(capacity_);
  if (filled >= kCrowded && !rng.chance((1 - filled) / (1 - kCrowded))) return Verdict::full;
  if (size() == capacity_) return Verdict::full;
  const Position p = position(end_++);
  std::memcpy(at(p), compact, stride_);
  index_.insert(name, p);
  if (groups_.empty() || now - groups_.back().opened > kGrain) groups_.push_back({now, end_});
  groups_.back().end = end_;
  return Verdict::queued;
}

std::optional<wire::Endpoint> PingQueue::take_due(wire::Instant now) {
  if (next_deadline() > now) return std::nullopt;
  const Position p = position(begin_++);
  if (groups_.front().end == begin_) groups_.pop_front();
  index_.erase(names_.of(at(p)), p, [this](Position q) { return names_.of(at(q)); });
  return wire::Endpoint::from_compact({at(p), stride_});
}

wire::Instant PingQueue::next_deadline() const {
  return groups_.empty() ? wire::kNever : groups_.front().opened + kGrain + delay_;
}

void PingQueue::check_invariants() const {
  assert(size() <= capacity_);
  assert(groups_.empty() == (size() == 0) && (groups_.empty() || groups_.back().end == end_));
  for (std::uint64_t serial = begin_; serial != end_; ++serial) {
    assert(index_.find(names_.of(at(position(serial))), [&](Position p) { return p == position(serial); }) ==
           position(serial));
  }
  index_.check_invariants(size(), [this](Position p) { return names_.of(at(p)); });
}

}  // namespace lodestone::dht
