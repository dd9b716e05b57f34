// SPDX-License-Identifier: Apache-2.0
#include "dht/verifier.hpp"

#include <algorithm>
#include <functional>

namespace lodestone::dht {
namespace {

constexpr wire::Duration kLeaveAlone = std::chrono::seconds(30);

}  // namespace

Verifier::Verifier(int rate_per_second) : spacing_(wire::from_seconds(1.0 / rate_per_second)) {}

bool Verifier::known(wire::Instant now, const wire::Endpoint& endpoint) const {
  return std::any_of(queue_.begin(), queue_.end(), [&](const Item& i) { return i.contact.endpoint == endpoint; }) ||
         std::any_of(failed_.begin(), failed_.end(),
                     [&](const Failure& f) { return f.endpoint == endpoint && now < f.until; });
}

bool Verifier::offer(wire::Instant now, const Contact& contact, wire::Instant due) {
  if (!takes(due) || known(now, contact.endpoint)) return false;
  if (queue_.size() >= kMaxUnsolicited) {
    const auto later = [](const Item& a, const Item& b) { return a.due < b.due; };
    *std::max_element(queue_.begin(), queue_.end(), later) = {due, contact};
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
  queue_.push_back({due, contact});
  std::push_heap(queue_.begin(), queue_.end(), std::greater<>{});
}

std::optional<Contact> Verifier::take_due(wire::Instant now) {
  if (queue_.empty() || next_deadline() > now) return std::nullopt;
  std::pop_heap(queue_.begin(), queue_.end(), std::greater<>{});
  const Contact contact = queue_.back().contact;
  queue_.pop_back();
  not_before_ = now + spacing_;
  return contact;
}

void Verifier::failed(wire::Instant now, const wire::Endpoint& endpoint) {
  const Failure f{endpoint, now + kLeaveAlone};
  if (failed_.size() < kMaxFailed) {
    failed_.push_back(f);
  } else {
    failed_[next_failed_] = f;
    next_failed_ = (next_failed_ + 1) % kMaxFailed;
  }
}

wire::Instant Verifier::next_deadline() const {
  return queue_.empty() ? wire::kNever : std::max(queue_.front().due, not_before_);
}

}  // namespace lodestone::dht
