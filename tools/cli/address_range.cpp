// SPDX-License-Identifier: Apache-2.0
#include "tools/cli/address_range.hpp"

#include <array>
#include <cstdint>

namespace lodestone::tools {

wire::Address nth_address(const wire::Address& first, std::size_t n) {
  if (!first.is_v4() && first.kind() == wire::AddressKind::loopback) return first;
  std::array<std::uint8_t, 16> bytes{};
  const wire::Bytes raw = first.bytes();
  std::uint64_t carry = n;
  for (std::size_t i = raw.size(); i-- > 0;) {
    carry += raw[i];
    bytes[i] = static_cast<std::uint8_t>(carry & 0xff);
    carry >>= 8;
  }
  return *wire::Address::from_bytes(wire::Bytes(bytes.data(), raw.size()));
}

}  // namespace lodestone::tools
