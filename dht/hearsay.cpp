// SPDX-License-Identifier: Apache-2.0
#include "dht/hearsay.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>
#include <utility>

namespace lodestone::dht {

Hearsay::Hearsay(wire::Family family, std::size_t most)
    : family_(family), most_(most), stride_(Contact::compact_size(family)) {
  assert(most == 0 || (std::has_single_bit(most) && most > 1 && most <= (1u << 24)));
}

/// What was in a place goes to that of the new ones, each a part of the old, where its id belongs.
void Hearsay::make_room(std::size_t places) {
  const wire::ByteVector before = std::exchange(memory_, wire::ByteVector(places * stride_));
  places_ = places;
  shift_ = 32u - static_cast<unsigned>(std::bit_width(places) - 1);
  for (std::size_t at = 0; at < before.size(); at += stride_)
    if (!empty(before.data() + at)) std::memcpy(record(place_of(before.data() + at)), before.data() + at, stride_);
}

void Hearsay::named(const Contact& contact) {
  if (most_ == 0 || contact.endpoint.port == 0 || contact.endpoint.family() != family_) return;
  if (places_ < most_ && size_ >= places_ / 4) make_room(std::min(most_, std::max(kFirst, 4 * places_)));
  std::uint8_t* at = record(place_of(contact.id.bytes().data()));
  size_ += empty(at);
  contact.write_compact(at);
}

void Hearsay::settled(const Contact& contact) {
  if (memory_.empty() || contact.endpoint.family() != family_) return;
  std::uint8_t* at = record(place_of(contact.id.bytes().data()));
  if (empty(at) || std::memcmp(at, CompactContact(contact).data(), stride_) != 0) return;
  std::memset(at, 0, stride_);
  --size_;
}

void Hearsay::check_invariants() const {
  [[maybe_unused]] std::size_t held = 0;
  for (std::size_t place = 0; place < places_ && !memory_.empty(); ++place) {
    if (empty(record(place))) continue;
    ++held;
    assert(place_of(record(place)) == place);
  }
  assert(held == size_);
}

}  // namespace lodestone::dht
