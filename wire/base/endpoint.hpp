// SPDX-License-Identifier: Apache-2.0
// Addresses as values: 16 bytes + family, no sockets. Knows the compact forms of BEP 5/23/32 and what kind of place an
// address is (rule S5), which decides whom we talk to at all.
#pragma once

#include <array>
#include <bit>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "wire/base/bytes.hpp"

namespace lodestone::wire {

enum class Family : std::uint8_t { v4 = 4, v6 = 6 };

/// Where an address lives. Martians (unspecified, multicast, broadcast, documentation, v4-mapped, ...) are never talked
/// to.
enum class AddressKind : std::uint8_t { loopback, private_, link_local, cgnat, benchmark, global, martian };

class Address {
 public:
  constexpr Address() = default;  // 0.0.0.0
  [[nodiscard]] static Address v4(std::uint32_t host_order);
  [[nodiscard]] static Address v4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d);
  [[nodiscard]] static Address v6(const std::array<std::uint8_t, 16>& bytes);
  /// "1.2.3.4", "fe80::1", "::ffff:1.2.3.4" becomes v4. No scope ids, no names.
  [[nodiscard]] static std::optional<Address> parse(std::string_view text);
  /// 4 or 16 bytes in network order.
  [[nodiscard]] static std::optional<Address> from_bytes(Bytes raw);

  [[nodiscard]] Family family() const { return family_; }
  [[nodiscard]] bool is_v4() const { return family_ == Family::v4; }
  [[nodiscard]] bool is_unspecified() const;
  /// 4 or 16 bytes in network order.
  [[nodiscard]] Bytes bytes() const { return {bytes_.data(), is_v4() ? std::size_t{4} : std::size_t{16}}; }
  [[nodiscard]] AddressKind kind() const;
  /// The address cut to its first `bits` bits, for diversity and rate limits: /24 and /64 by default.
  [[nodiscard]] Address prefix(int bits) const;
  [[nodiscard]] Address diversity_prefix() const { return prefix(is_v4() ? 24 : 64); }
  [[nodiscard]] std::string text() const;

  friend constexpr auto operator<=>(const Address&, const Address&) = default;
  friend constexpr bool operator==(const Address& a, const Address& b) {
    // In words: it is asked several times for each datagram, and would be a call.
    using Words = std::array<std::uint64_t, 2>;
    return a.family_ == b.family_ && std::bit_cast<Words>(a.bytes_) == std::bit_cast<Words>(b.bytes_);
  }

 private:
  friend struct Endpoint;
  Family family_ = Family::v4;
  std::array<std::uint8_t, 16> bytes_{};  // v4 in the first four, the rest zero
};

struct Endpoint {
  Address address;
  std::uint16_t port = 0;

  /// "1.2.3.4:6881", "[::1]:6881".
  [[nodiscard]] static std::optional<Endpoint> parse(std::string_view text);
  /// 6 or 18 bytes (BEP 5 "compact peer info", BEP 32).
  [[nodiscard]] static std::optional<Endpoint> from_compact(Bytes raw);
  /// Writes 6 or 18 bytes and returns that count; the destination has room for 18.
  std::size_t write_compact(std::uint8_t* out) const;
  [[nodiscard]] static constexpr std::size_t compact_size(Family f) { return f == Family::v4 ? 6 : 18; }

  [[nodiscard]] Family family() const { return address.family(); }
  [[nodiscard]] std::string text() const;

  friend constexpr auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

/// Which kinds of address we talk to (S5). Martians and port 0 are always refused.
class AddressPolicy {
 public:
  constexpr AddressPolicy() = default;
  [[nodiscard]] static AddressPolicy everything();  // --private-net
  void allow(AddressKind kind);
  /// Adds what a bound or explicitly given address implies: its own kind; a wildcard counts as global.
  void allow_from(const Address& given);
  [[nodiscard]] bool allows(const Address& a) const;
  [[nodiscard]] bool allows(const Endpoint& e) const { return e.port != 0 && allows(e.address); }

 private:
  std::uint8_t kinds_ = 0;
};

}  // namespace lodestone::wire

/// These mix well but are not keyed: whoever can choose addresses (a v6 /64 is enough) can make them collide. A hot
/// table that strangers fill hashes with wire::siphash (wire/base/hash.hpp) under a key of its own, or bounds its
/// chains.
template <>
struct std::hash<lodestone::wire::Address> {
  std::size_t operator()(const lodestone::wire::Address& a) const noexcept;
};
template <>
struct std::hash<lodestone::wire::Endpoint> {
  std::size_t operator()(const lodestone::wire::Endpoint& e) const noexcept;
};
