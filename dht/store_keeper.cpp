// SPDX-License-Identifier: Apache-2.0
#include "dht/store_keeper.hpp"

#include <algorithm>
#include <bit>

namespace lodestone::dht {
namespace {

// A contact heard of less long ago than this is not asked again; while filling, it may name others sooner.
constexpr wire::Duration kSilence = std::chrono::minutes(15);
constexpr wire::Duration kFillSilence = std::chrono::seconds(10);
// When there is nobody to ask, the next look round.
constexpr wire::Duration kIdle = std::chrono::seconds(15);
constexpr wire::Duration kFillIdle = std::chrono::seconds(1);
// A store that is small again (a laptop that slept) is filled again, but not all the time.
constexpr wire::Duration kFillAgain = std::chrono::hours(1);
constexpr wire::Duration kForgetNoticed = std::chrono::minutes(15);
constexpr std::size_t kSteps = 256;
constexpr double kContactsOfRate = 10'000;
// Of the contacts that end the filling so many are verified as fast as it goes. For the rest of its minute those that
// are known are asked for keys from anywhere: each of them is there and names eight others, for Hearsay, where of the
// newcomers two in five are gone.
constexpr double kVerifiedFirst = 0.9;
constexpr std::size_t kMaxFrontier = 1'024;

}  // namespace

StoreKeeper::StoreKeeper(std::size_t capacity, const Pace& pace)
    : capacity_(capacity), pace_(pace), max_named_(std::min(kMaxFrontier, capacity)) {
  // A small store is for who wants few queries.
  if (capacity > pace.fill_below)
    hears_above_ = static_cast<std::size_t>(kVerifiedFirst * static_cast<double>(pace.fill_below));
  pace_.fill_below = std::min(pace_.fill_below, capacity);
}

void StoreKeeper::begin(wire::Instant now) {
  if (capacity_ != 0 && next_ == wire::kNever) next_ = std::max(now, not_before_);
}

void StoreKeeper::named(wire::Instant now, const Contact& contact, const ContactStore& store) {
  if (named_.size() >= max_named_ || store.full() || store.has(contact.id)) return;
  if (noticed_.empty() || now - noticed_since_ >= kForgetNoticed) {
    noticed_.assign(4 * std::bit_ceil(max_named_), 0);
    noticed_since_ = now;
  }
  // The hash is not keyed. Whoever makes two endpoints collide keeps one of them out of this list for a while.
  const std::uint64_t hash = std::hash<wire::Endpoint>{}(contact.endpoint);
  std::uint32_t& mark = noticed_[hash & (noticed_.size() - 1)];
  const auto tag = static_cast<std::uint32_t>(hash >> 32) | 1;
  if (mark == tag) return;
  mark = tag;
  named_.push_back(contact);
  if (next_ != wire::kNever) next_ = std::min(next_, std::max(now, not_before_));
}

bool StoreKeeper::fills(wire::Instant now, const ContactStore& store) {
  if (!holds_little(store)) return false;
  if (!filling_since_ || now - *filling_since_ >= kFillAgain) filling_since_ = now;
  return now - *filling_since_ < pace_.fill_for;
}

wire::Duration StoreKeeper::spacing(bool filling, const ContactStore& store) const {
  if (filling) return wire::from_seconds(1 / pace_.fill_rate);
  const double share = std::max(1.0, static_cast<double>(store.size()) / kContactsOfRate);
  return wire::from_seconds(1 / (pace_.upkeep_rate * share));
}

std::optional<Contact> StoreKeeper::take_due(wire::Instant now, ContactStore& store) {
  if (next_ > now) return std::nullopt;
  const bool filling = fills(now, store);
  const auto contact = pick(now, filling, store);
  if (!contact) {
    next_ = now + (filling ? kFillIdle : kIdle);
    return std::nullopt;
  }
  not_before_ = next_ = now + spacing(filling, store);
  return contact;
}

std::optional<Contact> StoreKeeper::pick(wire::Instant now, bool filling, ContactStore& store) {
  // While filling, newcomers first; later the old and the new take turns.
  const bool old_first = !filling && walk_next_;
  walk_next_ = !walk_next_;
  const wire::Duration silence = filling ? kFillSilence : kSilence;
  if (filling && hears_above_ != 0 && store.good() >= hears_above_) return store.walk(now, silence, kSteps);
  if (old_first)
    if (const auto contact = store.walk(now, silence, kSteps)) return contact;
  if (const auto contact = take_named(store)) return contact;
  return old_first ? std::nullopt : store.walk(now, silence, kSteps);
}

std::optional<Contact> StoreKeeper::take_named(const ContactStore& store) {
  while (!named_.empty()) {
    const Contact contact = named_.back();
    named_.pop_back();
    if (!store.full() && !store.has(contact.id)) return contact;
  }
  return std::nullopt;
}

}  // namespace lodestone::dht
