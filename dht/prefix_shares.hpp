// SPDX-License-Identifier: Apache-2.0
// Keeps a crowd from being somebody's: of those counted here at most one in eight is of the same wide prefix (v4 /8, v6
// /24), one in 64 of the same narrow one (/16, /32), whatever the crowd's size, but for the first few hundred. For v6
// counted by a keyed hash, whose collisions make it stricter now and then. 256 KB for v4.
#pragma once

#include <cassert>
#include <cstdint>
#include <vector>

#include "wire/base/bytes.hpp"
#include "wire/base/endpoint.hpp"
#include "wire/base/hash.hpp"

namespace lodestone::dht {

class PrefixShares {
 public:
  static constexpr std::uint32_t kWideFloor = 256;
  static constexpr std::uint32_t kNarrowFloor = 64;

  PrefixShares(wire::Family family, const wire::SipKey& secret)
      : secret_(secret), v4_(family == wire::Family::v4), wide_(v4_ ? 256 : kCounts), narrow_(kCounts) {}

  /// Of a crowd of `size`, may there be one more from there? `compact`: its endpoint.
  [[nodiscard]] bool has_room(const std::uint8_t* compact, std::size_t size) const {
    return wide_[wide(compact)] < share(size, 8, kWideFloor) &&
           narrow_[narrow(compact)] < share(size, 64, kNarrowFloor);
  }
  void add(const std::uint8_t* compact) {
    ++wide_[wide(compact)];
    ++narrow_[narrow(compact)];
  }
  void remove(const std::uint8_t* compact) {
    assert(wide_[wide(compact)] > 0 && narrow_[narrow(compact)] > 0);
    --wide_[wide(compact)];
    --narrow_[narrow(compact)];
  }

 private:
  static constexpr std::size_t kCounts = 65'536;

  [[nodiscard]] static std::size_t share(std::size_t size, std::size_t of, std::uint32_t floor) {
    return size / of < floor ? floor : size / of;
  }
  [[nodiscard]] std::size_t hashed(const std::uint8_t* compact, std::size_t bytes) const {
    return static_cast<std::size_t>(wire::siphash(secret_, wire::Bytes{compact, bytes}) % kCounts);
  }
  [[nodiscard]] std::size_t wide(const std::uint8_t* compact) const { return v4_ ? compact[0] : hashed(compact, 3); }
  [[nodiscard]] std::size_t narrow(const std::uint8_t* compact) const {
    return v4_ ? wire::load_be16(compact) : hashed(compact, 4);
  }

  wire::SipKey secret_;
  bool v4_;
  std::vector<std::uint32_t> wide_;
  std::vector<std::uint32_t> narrow_;
};

}  // namespace lodestone::dht
