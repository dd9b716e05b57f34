// SPDX-License-Identifier: Apache-2.0
#include "dht/contact_ring.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "dht/node_id_security.hpp"
#include "dht/secret.hpp"

namespace lodestone::dht {
namespace {

// How far is looked for one that gives way, whenever somebody better comes.
constexpr std::size_t kSeekSteps = 64;
constexpr std::uint32_t kMaxLetIn = 64;

std::span<std::uint32_t> slots_in(wire::MutableBytes memory, std::size_t capacity) {
  return {reinterpret_cast<std::uint32_t*>(memory.data()), AddressIndex::slots_for(capacity)};
}

}  // namespace

std::size_t ContactRing::bytes_for(wire::Family family, std::size_t capacity) {
  return AddressIndex::slots_for(capacity) * AddressIndex::kSlotBytes + capacity * (Contact::compact_size(family) + 1);
}

ContactRing::ContactRing(wire::Family family, std::size_t capacity, bool diverse, const AddressNames& names,
                         wire::MutableBytes memory, wire::Rng& rng)
    : family_(family),
      stride_(Contact::compact_size(family)),
      capacity_(capacity),
      diverse_(diverse),
      names_(names),
      index_(slots_in(memory, capacity), capacity),
      contacts_(memory.data() + AddressIndex::slots_for(capacity) * AddressIndex::kSlotBytes),
      states_(contacts_ + capacity * stride_),
      shares_(family, random_secret(rng)) {
  assert(capacity >= 1 && memory.size() >= bytes_for(family, capacity));
  assert(reinterpret_cast<std::uintptr_t>(memory.data()) % AddressIndex::kSlotBytes == 0);
}

ContactRing::Position ContactRing::find(Name name, const std::uint8_t* endpoint) const {
  return index_.find(name, [&](Position p) { return names_.same(endpoint_at(p), endpoint); });
}

ContactRing::Verdict ContactRing::answered(const Contact& contact, Name name) {
  const bool other = diverse_ && !id_matches(contact.id, contact.endpoint.address);
  const CompactContact raw(contact);
  const std::uint8_t* endpoint = raw.data() + wire::NodeId::kSize;
  newest_ = kNone;
  if (const Position p = find(name, endpoint); p != kNone) return renew(p, raw.data(), other);
  if (other && !may_be_other()) return Verdict::unproven;
  if (diverse_ && !shares_.has_room(endpoint, size_)) return Verdict::crowded;
  Verdict verdict = Verdict::added;
  if (size_ < capacity_) {
    newest_ = static_cast<Position>(size_++);
  } else {
    newest_ = who_gives_way(other);
    if (newest_ == kNone) return Verdict::full;
    forget(newest_);
    verdict = Verdict::displaced;
  }
  put(newest_, raw.data(), other);
  index_.insert(name, newest_);
  return verdict;
}

/// The source is here; what it says of itself may be new.
ContactRing::Verdict ContactRing::renew(Position p, const std::uint8_t* compact, bool other) {
  const bool same_port = std::memcmp(endpoint_at(p), compact + wire::NodeId::kSize, stride_ - wire::NodeId::kSize) == 0;
  if (!same_port && tries(p) == 0) return Verdict::taken;
  if (other && !is_other(p) && !may_be_other()) {
    remove(p);
    return Verdict::unproven;
  }
  others_ = others_ + (other ? 1 : 0) - (is_other(p) ? 1 : 0);
  // Its prefix is the same: an address has one name, a /64 as well.
  std::memcpy(contacts_ + p * stride_, compact, stride_);
  states_[p] = other ? kOther : 0;
  return Verdict::renewed;
}

/// For a newcomer, while the ring is full.
ContactRing::Position ContactRing::who_gives_way(bool other) {
  if (!other) {
    if (const Position p = next_other(); p != kNone) return p;
  }
  // Who has not been asked for longest is the least sure to be there.
  const auto longest = static_cast<Position>(walked_);
  if (let_in_ == 0 || (other && !is_other(longest))) return kNone;
  --let_in_;
  walked_ = walked_ + 1 == size_ ? 0 : walked_ + 1;
  return longest;
}

ContactRing::Position ContactRing::next_other() {
  for (std::size_t i = 0; i < kSeekSteps && others_ > 0; ++i) {
    sought_ = sought_ + 1 < size_ ? sought_ + 1 : 0;
    if (is_other(static_cast<Position>(sought_))) return static_cast<Position>(sought_);
  }
  return kNone;
}

void ContactRing::put(Position p, const std::uint8_t* compact, bool other) {
  std::memcpy(contacts_ + p * stride_, compact, stride_);
  states_[p] = other ? kOther : 0;
  others_ += other ? 1 : 0;
  shares_.add(endpoint_at(p));
}

/// Takes what is there out of the index and the counts.
void ContactRing::forget(Position p) {
  index_.erase(name_at(p), p, [this](Position q) { return name_at(q); });
  others_ -= is_other(p) ? 1 : 0;
  shares_.remove(endpoint_at(p));
}

void ContactRing::remove(Position p) {
  assert(p < size_);
  forget(p);
  const auto last = static_cast<Position>(--size_);
  if (p != last) {
    index_.move(name_at(last), last, p);
    std::memcpy(contacts_ + p * stride_, at(last), stride_);
    // Whoever keeps the time of its questions knows them by its place.
    states_[p] = static_cast<std::uint8_t>(states_[last] & ~kTries);
  }
  if (handed_ >= size_) handed_ = 0;
  if (walked_ >= size_) walked_ = 0;
  if (sought_ >= size_) sought_ = 0;
}

ContactRing::Slice ContactRing::take(std::size_t n) {
  n = std::min(n, size_);
  const std::size_t first = std::min(n, size_ - handed_);
  const Slice slice{{contacts_ + handed_ * stride_, first * stride_}, {contacts_, (n - first) * stride_}};
  handed_ = handed_ + n < size_ ? handed_ + n : handed_ + n - size_;
  return slice;
}

ContactRing::Run ContactRing::walk(std::size_t n) {
  const Run run{static_cast<Position>(walked_), static_cast<std::uint32_t>(std::min(n, size_ - walked_))};
  walked_ = walked_ + run.count < size_ ? walked_ + run.count : 0;
  return run;
}

void ContactRing::let_in(std::uint32_t n) { let_in_ = std::min(let_in_ + n, kMaxLetIn); }

void ContactRing::check_invariants() const {
  assert(size_ <= capacity_);
  [[maybe_unused]] std::size_t others = 0;
  for (std::size_t i = 0; i < size_; ++i) {
    const auto p = static_cast<Position>(i);
    others += is_other(p) ? 1 : 0;
    assert(find(name_at(p), endpoint_at(p)) == p);
    assert(!diverse_ || is_other(p) == !id_matches(contact(p).id, contact(p).endpoint.address));
  }
  assert(others == others_);
  assert(size_ == 0 || (handed_ < size_ && walked_ < size_));
  index_.check_invariants(size_, [this](Position p) { return name_at(p); });
}

}  // namespace lodestone::dht
