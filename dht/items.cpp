// SPDX-License-Identifier: Apache-2.0
#include "dht/items.hpp"

#include <algorithm>
#include <cassert>
#include <iterator>

namespace lodestone::dht {
namespace {

constexpr wire::Duration kSweepItemsEvery = std::chrono::minutes(1);
constexpr std::size_t kSignedPart = sizeof(PublicKey) + sizeof(Signature) + 8;

void append(wire::ByteVector& out, wire::Bytes raw) { out.insert(out.end(), raw.begin(), raw.end()); }

}  // namespace

Items::Items(wire::Instant now, const wire::NodeId& own, const Caps& caps)
    : own_(own), caps_(caps), next_sweep_(now + kSweepItemsEvery) {}

Items::Stored Items::pack(wire::Instant put_at, const ItemView& item) {
  Stored s;
  s.put_at = put_at;
  s.value_size = static_cast<std::uint16_t>(item.value.size());
  s.is_mutable = item.signed_by.has_value();
  s.salt_size = s.is_mutable ? static_cast<std::uint8_t>(item.signed_by->salt.size()) : std::uint8_t{0};
  s.blob.reserve(item.value.size() + s.salt_size + (s.is_mutable ? kSignedPart : 0));
  append(s.blob, item.value);
  if (!s.is_mutable) return s;
  append(s.blob, item.signed_by->salt);
  append(s.blob, item.signed_by->key);
  append(s.blob, item.signed_by->signature);
  std::array<std::uint8_t, 8> seq;
  wire::store_be64(seq.data(), static_cast<std::uint64_t>(item.signed_by->seq));
  append(s.blob, seq);
  return s;
}

ItemView Items::view_of(const Stored& stored) {
  const wire::Bytes blob = stored.blob;
  ItemView view{blob.first(stored.value_size), std::nullopt};
  if (!stored.is_mutable) return view;
  MutablePart& part = view.signed_by.emplace();
  part.salt = blob.subspan(stored.value_size, stored.salt_size);
  const std::uint8_t* at = blob.data() + stored.value_size + stored.salt_size;
  std::copy_n(at, part.key.size(), part.key.begin());
  std::copy_n(at + part.key.size(), part.signature.size(), part.signature.begin());
  part.seq = static_cast<std::int64_t>(wire::load_be64(at + part.key.size() + part.signature.size()));
  return view;
}

std::size_t Items::cost(const Stored& stored) {
  // A tree node has four words beside its value; malloc takes one more for each of the two pieces, and rounds up.
  return sizeof(Map::value_type) + 4 * sizeof(void*) + 2 * 16 + stored.blob.capacity();
}

bool Items::expired(wire::Instant now, const Stored& stored) const { return now - stored.put_at >= caps_.expiry; }

std::optional<Items::Verdict> Items::malformed(const ItemView& item) {
  if (item.value.size() > kMaxValue) return Verdict::value_too_big;
  if (item.signed_by && item.signed_by->salt.size() > kMaxSalt) return Verdict::salt_too_big;
  if (item.signed_by && item.signed_by->seq < 0) return Verdict::not_canonical;
  if (!is_canonical_value(item.value, scratch_)) return Verdict::not_canonical;
  return std::nullopt;
}

Items::Verdict Items::put(wire::Instant now, const ItemView& item, std::optional<std::int64_t> cas) {
  if (const auto verdict = malformed(item)) return *verdict;
  const Verdict verdict = place(now, now, item, cas, false);
  puts_ += verdict == Verdict::stored || verdict == Verdict::refreshed;
  return verdict;
}

bool Items::restore(wire::Instant now, const AgedItem& aged) {
  if (aged.age >= caps_.expiry) return false;
  return place(now, now - aged.age, aged.item.item().view(), std::nullopt, true) == Verdict::stored;
}

Items::Verdict Items::place(wire::Instant now, wire::Instant put_at, const ItemView& item,
                            std::optional<std::int64_t> cas, bool vouched) {
  const wire::Key target = item.target();
  const wire::Distance d = wire::distance(own_, target);

  auto old = items_.find(d);
  if (old != items_.end() && expired(now, old->second)) {
    erase(old);
    ++expired_;
    old = items_.end();
  }
  if (old != items_.end()) {
    const ItemView stored = view_of(old->second);
    // Key and salt chosen so that together they spell a value: nobody's item is replaced by another kind of item.
    if (stored.signed_by.has_value() != item.signed_by.has_value()) return Verdict::full;
    const bool same = std::equal(stored.value.begin(), stored.value.end(), item.value.begin(), item.value.end());
    if (item.signed_by) {
      if (cas && *cas != stored.signed_by->seq) return Verdict::cas_mismatch;
      if (item.signed_by->seq < stored.signed_by->seq) return Verdict::seq_too_low;
      if (item.signed_by->seq == stored.signed_by->seq && !same) return Verdict::seq_too_low;
    }
    if (same && (!item.signed_by || item.signed_by->seq == stored.signed_by->seq)) {
      // Of whom the repeated put comes does not matter: it says nothing that has not been verified.
      old->second.put_at = std::max(old->second.put_at, put_at);
      return Verdict::refreshed;
    }
  }
  if (!accepts(target)) return Verdict::full;
  if (!vouched && item.signed_by && !signature_holds(item.value, *item.signed_by)) return Verdict::bad_signature;

  Stored fresh = pack(put_at, item);
  const std::size_t bytes = cost(fresh);
  const bool is_new = old == items_.end();
  if (!make_room(d, bytes, is_new ? 0 : cost(old->second), is_new)) return Verdict::full;
  if (!is_new) erase(old);
  bytes_ += bytes;
  items_.emplace(d, std::move(fresh));
  return Verdict::stored;
}

bool Items::accepts(const wire::Key& target) const {
  if (caps_.items == 0 || caps_.bytes == 0) return false;
  const bool full = items_.size() >= caps_.items || bytes_ + kMaxValue >= caps_.bytes;
  return !full || items_.empty() || wire::distance(own_, target) <= items_.rbegin()->first;
}

/// Farther items are dropped until one of `bytes` fits at that distance, in the place of one of `freed`.
bool Items::make_room(const wire::Distance& d, std::size_t bytes, std::size_t freed, bool is_new) {
  while ((is_new && items_.size() >= caps_.items) || bytes_ - freed + bytes > caps_.bytes) {
    if (items_.empty()) return false;
    const auto farthest = std::prev(items_.end());
    if (farthest->first <= d) return false;
    erase(farthest);
    ++displaced_;
  }
  return true;
}

std::optional<ItemView> Items::find(wire::Instant now, const wire::Key& target) const {
  const auto found = items_.find(wire::distance(own_, target));
  if (found == items_.end() || expired(now, found->second)) return std::nullopt;
  return view_of(found->second);
}

void Items::move_to(const wire::NodeId& own) {
  Map moved;
  while (!items_.empty()) {
    auto node = items_.extract(items_.begin());
    const wire::Key target{wire::distance(own_, node.key()).bytes()};
    node.key() = wire::distance(own, target);
    moved.insert(std::move(node));
  }
  items_ = std::move(moved);
  own_ = own;
}

void Items::sweep(wire::Instant now) {
  next_sweep_ = now + kSweepItemsEvery;
  const std::size_t before = items_.size();
  for (auto it = items_.begin(); it != items_.end();) it = expired(now, it->second) ? erase(it) : std::next(it);
  expired_ += before - items_.size();
}

Items::Map::iterator Items::erase(Map::iterator at) {
  bytes_ -= cost(at->second);
  return items_.erase(at);
}

void Items::check_invariants() const {
  std::size_t bytes = 0;
  wire::bencode::Document scratch;
  for (const auto& [d, stored] : items_) {
    bytes += cost(stored);
    [[maybe_unused]] const ItemView item = view_of(stored);
    assert(wire::distance(own_, item.target()) == d);
    assert(is_canonical_value(item.value, scratch));
    assert(!item.signed_by || signature_holds(item.value, *item.signed_by));
  }
  assert(bytes == bytes_ && bytes_ <= caps_.bytes && items_.size() <= caps_.items);
  (void)bytes;
}

}  // namespace lodestone::dht
