// SPDX-License-Identifier: Apache-2.0
#include "dht/rpc_table.hpp"

#include <algorithm>
#include <cassert>
#include <functional>

namespace lodestone::dht {

bool RpcTable::waits_for(const wire::Endpoint& to) const {
  return std::any_of(slots_.begin(), slots_.end(), [&](const Slot& s) { return s.live && s.query.to == to; });
}

std::uint32_t RpcTable::add(const Pending& query, const LateTimes& times, wire::Rng& rng) {
  assert(!full());
  assert(times.slow <= times.overdue && times.overdue <= times.lost);
  std::uint32_t transaction;
  do transaction = static_cast<std::uint32_t>(rng.next() >> 32);
  while (by_transaction_.contains(transaction));

  std::uint32_t index;
  if (free_.empty()) {
    index = static_cast<std::uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    index = free_.back();
    free_.pop_back();
  }
  Slot& slot = slots_[index];
  slot.query = query;
  slot.times = times;
  slot.transaction = transaction;
  slot.next = Lateness::slow;
  slot.live = true;
  ++live_;
  by_transaction_.emplace(transaction, index);
  push_timer(times.slow, index);
  return transaction;
}

std::optional<Pending> RpcTable::match(wire::Bytes transaction, const wire::Endpoint& from) {
  if (transaction.size() != 4) return std::nullopt;
  const auto found = by_transaction_.find(wire::load_be32(transaction.data()));
  if (found == by_transaction_.end()) return std::nullopt;
  const std::uint32_t index = found->second;
  if (slots_[index].query.to != from) return std::nullopt;
  const Pending query = slots_[index].query;
  release(index);
  drop_stale_timers();
  give_back();
  return query;
}

std::optional<RpcTable::Late> RpcTable::next_late(wire::Instant now) {
  if (timers_.empty() || timers_.front().at > now) return std::nullopt;
  const std::uint32_t index = timers_.front().slot;
  pop_timer();
  Slot& slot = slots_[index];
  const Late late{slot.query, slot.next};
  switch (late.how) {
    case Lateness::slow:
      slot.next = Lateness::overdue;
      push_timer(slot.times.overdue, index);
      break;
    case Lateness::overdue:
      slot.next = Lateness::lost;
      push_timer(slot.times.lost, index);
      break;
    case Lateness::lost: release(index); break;
  }
  drop_stale_timers();
  give_back();
  return late;
}

void RpcTable::push_timer(wire::Instant at, std::uint32_t slot) {
  timers_.push_back({at, slot, slots_[slot].generation});
  std::push_heap(timers_.begin(), timers_.end(), std::greater<>{});
}

void RpcTable::pop_timer() {
  std::pop_heap(timers_.begin(), timers_.end(), std::greater<>{});
  timers_.pop_back();
}

void RpcTable::drop_stale_timers() {
  while (!timers_.empty() && stale(timers_.front())) pop_timer();
}

void RpcTable::release(std::uint32_t slot) {
  by_transaction_.erase(slots_[slot].transaction);
  slots_[slot].live = false;
  ++slots_[slot].generation;
  free_.push_back(slot);
  --live_;
}

void RpcTable::give_back() {
  if (live_ != 0 || slots_.size() <= kKept) return;
  assert(timers_.empty());
  slots_ = std::vector<Slot>{};
  free_ = std::vector<std::uint32_t>{};
  timers_ = std::vector<Timer>{};
  by_transaction_ = decltype(by_transaction_){};
}

void RpcTable::check_invariants() const {
  assert(live_ == by_transaction_.size());
  assert(live_ + free_.size() == slots_.size());
  assert(timers_.empty() || !stale(timers_.front()));
  std::size_t live_timers = 0;
  for (const Timer& t : timers_) {
    if (stale(t)) continue;
    ++live_timers;
    assert(next_deadline() <= t.at);
  }
  assert(live_timers == live_);
  (void)live_timers;
}

}  // namespace lodestone::dht
