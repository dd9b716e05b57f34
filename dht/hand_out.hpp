// SPDX-License-Identifier: Apache-2.0
// Nodes for somebody who asks an introducer: the contacts whose turn it is, without his own. They are shown where they
// lie, in one piece as they go into the reply; a copy is made only where the turn begins anew or he is one of them.
// A value that is good as long as what it was made of.
#pragma once

#include <array>
#include <cassert>
#include <cstdint>
#include <cstring>

#include "dht/contact.hpp"
#include "wire/base/bytes.hpp"

namespace lodestone::dht {

class HandOut {
 public:
  static constexpr std::size_t kMost = 16;

  /// Nobody.
  HandOut() {}
  /// At most kMost compact contacts of that family, the second piece behind the first.
  HandOut(wire::Family family, wire::Bytes first, wire::Bytes second, const wire::Endpoint& asker)
      : stride_(Contact::compact_size(family)) {
    assert(first.size() + second.size() <= kMost * stride_);
    const CompactEndpoint own(asker);
    const bool may_be_there = asker.family() == family;
    if (second.empty() && !(may_be_there && has(first, own))) {
      lying_ = first;
      return;
    }
    for (const wire::Bytes piece : {first, second}) {
      for (std::size_t at = 0; at < piece.size(); at += stride_) {
        if (may_be_there && is(piece.data() + at, own)) continue;
        std::memcpy(copy_.data() + copied_, piece.data() + at, stride_);
        copied_ += stride_;
      }
    }
  }

  // Most are views: what has not been copied into is not copied out of.
  HandOut(const HandOut& other) { *this = other; }
  HandOut& operator=(const HandOut& other) {
    if (this == &other) return *this;
    stride_ = other.stride_;
    lying_ = other.lying_;
    copied_ = other.copied_;
    if (copied_ != 0) std::memcpy(copy_.data(), other.copy_.data(), copied_);
    return *this;
  }

  /// One behind the other.
  [[nodiscard]] wire::Bytes contacts() const { return copied_ != 0 ? wire::Bytes{copy_.data(), copied_} : lying_; }
  [[nodiscard]] std::size_t count() const {
    // By numbers that the compiler knows.
    constexpr std::size_t kStride4 = Contact::compact_size(wire::Family::v4);
    constexpr std::size_t kStride6 = Contact::compact_size(wire::Family::v6);
    return stride_ == kStride4 ? contacts().size() / kStride4 : contacts().size() / kStride6;
  }

 private:
  [[nodiscard]] bool is(const std::uint8_t* contact, const CompactEndpoint& endpoint) const {
    // The first four bytes say it of nearly all.
    const std::uint8_t* theirs = contact + wire::NodeId::kSize;
    return wire::load_be32(theirs) == wire::load_be32(endpoint.data()) &&
           std::memcmp(theirs, endpoint.data(), stride_ - wire::NodeId::kSize) == 0;
  }
  [[nodiscard]] bool has(wire::Bytes contacts, const CompactEndpoint& endpoint) const {
    for (std::size_t at = 0; at < contacts.size(); at += stride_)
      if (is(contacts.data() + at, endpoint)) return true;
    return false;
  }

  std::size_t stride_ = Contact::compact_size(wire::Family::v4);
  wire::Bytes lying_;
  std::size_t copied_ = 0;  // bytes of the copy
  std::array<std::uint8_t, kMost * Contact::compact_size(wire::Family::v6)> copy_;
};

}  // namespace lodestone::dht
