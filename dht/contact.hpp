// SPDX-License-Identifier: Apache-2.0
// What names a node: its id and where it lives, and the compact form of that pair (BEP 5: 26 bytes, BEP 32: 38 bytes).
// A Contact is a claim, not a promise: only the routing table's entries have answered.
#pragma once

#include <cstddef>
#include <cstring>

#include "wire/base/bytes.hpp"
#include "wire/base/endpoint.hpp"
#include "wire/base/id.hpp"

namespace lodestone::dht {

struct Contact {
  wire::NodeId id;
  wire::Endpoint endpoint;

  [[nodiscard]] static constexpr std::size_t compact_size(wire::Family f) {
    return wire::NodeId::kSize + wire::Endpoint::compact_size(f);
  }
  /// Writes 26 or 38 bytes and returns that count; the caller has made room.
  std::size_t write_compact(std::uint8_t* out) const {
    std::memcpy(out, id.bytes().data(), wire::NodeId::kSize);
    return wire::NodeId::kSize + endpoint.write_compact(out + wire::NodeId::kSize);
  }
  /// Exactly compact_size(f) bytes.
  [[nodiscard]] static Contact read_compact(const std::uint8_t* raw, wire::Family f) {
    Contact c;
    std::memcpy(c.id.bytes().data(), raw, wire::NodeId::kSize);
    c.endpoint = *wire::Endpoint::from_compact({raw + wire::NodeId::kSize, wire::Endpoint::compact_size(f)});
    return c;
  }
  friend bool operator==(const Contact&, const Contact&) = default;
};

/// The compact form of one contact, of its size or less than this.
class CompactContact {
 public:
  explicit CompactContact(const Contact& contact) { contact.write_compact(bytes_); }
  [[nodiscard]] const std::uint8_t* data() const { return bytes_; }

 private:
  std::uint8_t bytes_[Contact::compact_size(wire::Family::v6)];
};

/// The same of an endpoint.
class CompactEndpoint {
 public:
  explicit CompactEndpoint(const wire::Endpoint& endpoint) { endpoint.write_compact(bytes_); }
  [[nodiscard]] const std::uint8_t* data() const { return bytes_; }

 private:
  std::uint8_t bytes_[wire::Endpoint::compact_size(wire::Family::v6)] = {};
};

/// Calls f(const Contact&) for each whole compact contact in `raw`, at most `max`; a ragged tail is ignored.
template <class F>
void for_each_contact(wire::Bytes raw, wire::Family family, std::size_t max, F&& f) {
  const std::size_t stride = Contact::compact_size(family);
  const std::size_t n = raw.size() / stride < max ? raw.size() / stride : max;
  for (std::size_t i = 0; i < n; ++i) f(Contact::read_compact(raw.data() + i * stride, family));
}

}  // namespace lodestone::dht
