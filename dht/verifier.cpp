// SPDX-License-Identifier: Apache-2.0
#include "dht/verifier.hpp"

#include <algorithm>
#include <functional>

namespace lodestone::dht {
namespace {

constexpr wire::Duration kLeaveAlone = std::chrono::seconds(30);
constexpr std::size_t kGrow = 8;

/// In proportion to what is queued: what a crowd of newcomers has needed is not kept when they have been asked.
template <class T>
void grow(std::vector<T>& v) {
  if (v.size() == v.capacity()) v.reserve(v.size() + v.size() / 4 + kGrow);
}
template <class T>
void give_back(std::vector<T>& v) {
  if (v.capacity() > v.size() + v.size() / 2 + 2 * kGrow) v.shrink_to_fit();
}

}  // namespace

Verifier::Verifier(int rate_per_second) : spacing_(wire::from_seconds(1.0 / rate_per_second)) {}

bool Verifier::known(wire::Instant now, const wire::Endpoint& endpoint) {
  if (std::any_of(queue_.begin(), queue_.end(), [&](const Item& i) { return i.contact.endpoint == endpoint; }))
    return true;
  const bool in_vain = std::any_of(failed_.begin(), failed_.end(),
                                   [&](const Failure& f) { return f.endpoint == endpoint && now < f.until; });
  avoided_ += in_vain;
  return in_vain;
}

bool Verifier::offer(wire::Instant now, const Contact& contact, wire::Instant due) {
  if (!takes(due) || known(now, contact.endpoint)) return false;
  if (queue_.size() >= kMaxUnsolicited) {
    const auto later = [](const Item& a, const Item& b) { return a.due < b.due; };
    *std::max_element(queue_.begin(), queue_.end(), later) = {due, contact};
    ++displaced_;
    latest_ = std::max_element(queue_.begin(), queue_.end(), later)->due;
    std::make_heap(queue_.begin(), queue_.end(), std::greater<>{});
    return true;
  }
  push(contact, due);
  return true;
}

bool Verifier::offer_saved(wire::Instant now, const Contact& contact, wire::Instant due) {
  if (queue_.size() >= kMaxSaved || known(now, contact.endpoint)) return false;
  push(contact, due);
  return true;
}

void Verifier::push(const Contact& contact, wire::Instant due) {
  latest_ = queue_.empty() ? due : std::max(latest_, due);
  grow(queue_);
  queue_.push_back({due, contact});
  std::push_heap(queue_.begin(), queue_.end(), std::greater<>{});
}

std::optional<Contact> Verifier::take_due(wire::Instant now) {
  if (queue_.empty() || next_deadline() > now) return std::nullopt;
  std::pop_heap(queue_.begin(), queue_.end(), std::greater<>{});
  const Contact contact = queue_.back().contact;
  queue_.pop_back();
  give_back(queue_);
  not_before_ = now + spacing_;
  return contact;
}

void Verifier::failed(wire::Instant now, const wire::Endpoint& endpoint) {
  std::erase_if(failed_, [now](const Failure& f) { return f.until <= now; });
  give_back(failed_);
  if (failed_.size() >= kMaxFailed) failed_.erase(failed_.begin());
  grow(failed_);
  failed_.push_back({endpoint, now + kLeaveAlone});
}

wire::Instant Verifier::next_deadline() const {
  return queue_.empty() ? wire::kNever : std::max(queue_.front().due, not_before_);
}

}  // namespace lodestone::dht
