// SPDX-License-Identifier: Apache-2.0
// 160-bit names. InfoHash, NodeId, PeerId and Key (a point of the DHT's key space) are different types and do not
// convert into each other by accident: Key{info_hash.bytes()} says that it is meant.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>

#include "wire/base/bytes.hpp"

namespace lodestone::wire {

template <class Tag>
class Id160 {
 public:
  static constexpr std::size_t kSize = 20;
  using Array = std::array<std::uint8_t, kSize>;

  constexpr Id160() = default;
  constexpr explicit Id160(const Array& bytes) : bytes_(bytes) {}

  /// nullopt unless exactly 20 bytes.
  [[nodiscard]] static std::optional<Id160> from_bytes(Bytes bytes) {
    if (bytes.size() != kSize) return std::nullopt;
    Id160 id;
    std::memcpy(id.bytes_.data(), bytes.data(), kSize);
    return id;
  }
  /// nullopt unless exactly 40 hex digits.
  [[nodiscard]] static std::optional<Id160> from_hex(std::string_view text) {
    auto bytes = wire::from_hex(text);
    if (!bytes) return std::nullopt;
    return from_bytes(*bytes);
  }

  [[nodiscard]] const Array& bytes() const { return bytes_; }
  [[nodiscard]] Array& bytes() { return bytes_; }
  [[nodiscard]] Bytes view() const { return bytes_; }
  [[nodiscard]] std::string hex() const { return to_hex(bytes_); }
  [[nodiscard]] bool is_zero() const { return bytes_ == Array{}; }

  friend constexpr auto operator<=>(const Id160&, const Id160&) = default;

 private:
  Array bytes_{};
};

using InfoHash = Id160<struct InfoHashTag>;
using NodeId = Id160<struct NodeIdTag>;
using PeerId = Id160<struct PeerIdTag>;
/// A lookup target: an info-hash, a node id or the hash of a stored item.
using Key = Id160<struct KeyTag>;

/// SHA-256 info-hash of BEP 52.
using InfoHashV2 = std::array<std::uint8_t, 32>;

/// XOR distance in Kademlia's metric; compares as a 160-bit big-endian number.
using Distance = Id160<struct DistanceTag>;

template <class A, class B>
[[nodiscard]] Distance distance(const Id160<A>& a, const Id160<B>& b) {
  // Three words, and nothing that has to go through memory byte by byte.
  const auto by_word = [](const auto& x) {
    const std::uint8_t* p = x.bytes().data();
    return std::tuple{load_be64(p), load_be64(p + 8), load_be32(p + 16)};
  };
  const auto [a0, a1, a2] = by_word(a);
  const auto [b0, b1, b2] = by_word(b);
  Distance d;
  std::uint8_t* const out = d.bytes().data();
  store_be64(out, a0 ^ b0);
  store_be64(out + 8, a1 ^ b1);
  store_be32(out + 16, a2 ^ b2);
  return d;
}

/// Leading bits that a and b share, 0..160.
template <class A, class B>
[[nodiscard]] int common_prefix(const Id160<A>& a, const Id160<B>& b) {
  for (std::size_t i = 0; i < 20; ++i) {
    const auto x = static_cast<std::uint8_t>(a.bytes()[i] ^ b.bytes()[i]);
    if (x != 0) return static_cast<int>(i * 8) + __builtin_clz(x) - 24;
  }
  return 160;
}

/// True when a is strictly closer to target than b is.
template <class T, class A, class B>
[[nodiscard]] bool closer(const Id160<T>& target, const Id160<A>& a, const Id160<B>& b) {
  for (std::size_t i = 0; i < 20; ++i) {
    const auto x = static_cast<std::uint8_t>(a.bytes()[i] ^ target.bytes()[i]);
    const auto y = static_cast<std::uint8_t>(b.bytes()[i] ^ target.bytes()[i]);
    if (x != y) return x < y;
  }
  return false;
}

}  // namespace lodestone::wire

/// For maps whose keys nobody hostile chooses; where an attacker picks the key, use a keyed hash (wire/base/hash.hpp).
template <class Tag>
struct std::hash<lodestone::wire::Id160<Tag>> {
  std::size_t operator()(const lodestone::wire::Id160<Tag>& id) const noexcept {
    std::uint64_t h = 0;
    std::memcpy(&h, id.bytes().data() + 8, 8);
    return static_cast<std::size_t>(h * 0x9e3779b97f4a7c15ULL);
  }
};
