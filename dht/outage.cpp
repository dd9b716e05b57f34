// SPDX-License-Identifier: Apache-2.0
#include "dht/outage.hpp"

#include <algorithm>
#include <utility>

namespace lodestone::dht {

bool Outage::heard(wire::Instant now) {
  last_heard_ = now;
  for (Held& h : held_) h.until = now;
  return std::exchange(offline_, false);
}

bool Outage::failed(wire::Instant now, const Contact& contact, wire::Instant sent) {
  if (offline_) {
    ++excused_;
    return false;
  }
  const bool heard_since = last_heard_ > sent;
  if (!heard_since && held_.size() >= kMaxHeld) held_.front().until = now;
  // Those that count at once stand before those that wait.
  const wire::Instant until = heard_since ? now : now + kWindow;
  const auto behind =
      std::upper_bound(held_.begin(), held_.end(), until, [](wire::Instant at, const Held& h) { return at < h.until; });
  held_.insert(behind, {contact, until});
  if (heard_since || !enough(now)) return false;
  excused_ += held_.size();
  held_.clear();
  offline_ = true;
  return true;
}

std::optional<Contact> Outage::take(wire::Instant now) {
  if (held_.empty() || held_.front().until > now) return std::nullopt;
  const Contact contact = held_.front().contact;
  held_.erase(held_.begin());
  return contact;
}

wire::Instant Outage::next_deadline() const { return held_.empty() ? wire::kNever : held_.front().until; }

bool Outage::enough(wire::Instant now) const {
  std::vector<wire::Address> addresses, prefixes;
  for (const Held& h : held_) {
    if (h.until <= now) continue;
    addresses.push_back(h.contact.endpoint.address);
    prefixes.push_back(h.contact.endpoint.address.diversity_prefix());
  }
  const auto distinct = [](std::vector<wire::Address>& values) {
    std::sort(values.begin(), values.end());
    return static_cast<std::size_t>(std::unique(values.begin(), values.end()) - values.begin());
  };
  return distinct(addresses) >= kContacts && distinct(prefixes) >= kPrefixes;
}

}  // namespace lodestone::dht
