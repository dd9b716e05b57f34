// SPDX-License-Identifier: Apache-2.0
#include "dht/hearsay.hpp"

#include <bit>
#include <cassert>
#include <cstring>

namespace lodestone::dht {

Hearsay::Hearsay(wire::Family family, std::size_t places)
    : family_(family), places_(places), stride_(Contact::compact_size(family)) {
  assert(places == 0 || (std::has_single_bit(places) && places > 1 && places <= (1u << 24)));
  if (places != 0) shift_ = 32u - static_cast<unsigned>(std::bit_width(places) - 1);
}

void Hearsay::named(const Contact& contact) {
  if (places_ == 0 || contact.endpoint.port == 0 || contact.endpoint.family() != family_) return;
  if (memory_.empty()) memory_.resize(places_ * stride_);
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
