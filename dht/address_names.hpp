// SPDX-License-Identifier: Apache-2.0
// What sources are called in tables that strangers fill: a keyed hash of the address (v6: of its /64, which one host
// has for itself; in a private net of address and port). Nobody outside can choose a name. Reads compact endpoints, so
// that what is stored can be named again. A value of a few bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "wire/base/endpoint.hpp"
#include "wire/base/hash.hpp"

namespace lodestone::dht {

class AddressNames {
 public:
  using Name = std::uint64_t;

  /// `every_port`: each port of an address is somebody of its own (S5).
  AddressNames(wire::Family family, bool every_port, const wire::SipKey& secret)
      : secret_(secret), size_(size_for(family, every_port)) {}

  [[nodiscard]] Name of(const std::uint8_t* compact) const {
    return wire::siphash(secret_, wire::Bytes{compact, size_});
  }
  [[nodiscard]] Name of(const wire::Endpoint& endpoint) const {
    std::uint8_t compact[wire::Endpoint::compact_size(wire::Family::v6)];
    endpoint.write_compact(compact);
    return of(compact);
  }
  /// Both compact endpoints have one name because they are one source.
  [[nodiscard]] bool same(const std::uint8_t* a, const std::uint8_t* b) const {
    // Sizes that the compiler knows: it needs no call for them.
    if (size_ == 4) return std::memcmp(a, b, 4) == 0;
    if (size_ == 6) return std::memcmp(a, b, 6) == 0;
    if (size_ == 8) return std::memcmp(a, b, 8) == 0;
    return std::memcmp(a, b, size_) == 0;
  }

 private:
  [[nodiscard]] static constexpr std::size_t size_for(wire::Family family, bool every_port) {
    if (every_port) return wire::Endpoint::compact_size(family);
    return family == wire::Family::v4 ? 4 : 8;
  }

  wire::SipKey secret_;
  std::size_t size_;
};

}  // namespace lodestone::dht
