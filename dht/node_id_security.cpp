// SPDX-License-Identifier: Apache-2.0
#include "dht/node_id_security.hpp"

#include <array>
#include <cstddef>

namespace lodestone::dht {
namespace {

using wire::AddressKind;

/// CRC-32C (Castagnoli), reflected.
constexpr std::array<std::uint32_t, 256> make_crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < table.size(); ++i) {
    std::uint32_t c = i;
    for (int bit = 0; bit < 8; ++bit) c = (c >> 1) ^ ((c & 1) != 0 ? 0x82f63b78u : 0u);
    table[i] = c;
  }
  return table;
}
constexpr auto kCrcTable = make_crc_table();

constexpr std::array<std::uint8_t, 4> kMaskV4{0x03, 0x0f, 0x3f, 0xff};
constexpr std::array<std::uint8_t, 8> kMaskV6{0x01, 0x03, 0x07, 0x0f, 0x1f, 0x3f, 0x7f, 0xff};

/// What the id must begin with; the lowest 11 bits do not count. Of a v6 address only the first half does.
std::uint32_t prefix_for(const wire::Address& address, std::uint8_t choice) {
  const wire::Bytes ip = address.bytes();
  const std::size_t n = address.is_v4() ? kMaskV4.size() : kMaskV6.size();
  const std::uint8_t* mask = address.is_v4() ? kMaskV4.data() : kMaskV6.data();
  std::uint32_t crc = 0xffffffffu;
  for (std::size_t i = 0; i < n; ++i) {
    auto octet = static_cast<std::uint8_t>(ip[i] & mask[i]);
    if (i == 0) octet = static_cast<std::uint8_t>(octet | ((choice & 7u) << 5));
    crc = kCrcTable[(crc ^ octet) & 0xff] ^ (crc >> 8);
  }
  return ~crc;
}

constexpr std::uint32_t kPrefixBits = 0xfffff800u;  // 21 of them

}  // namespace

bool ties_ids(const wire::Address& address) {
  switch (address.kind()) {
    case AddressKind::loopback:
    case AddressKind::private_:
    case AddressKind::link_local: return false;
    default: return true;
  }
}

bool id_matches(const wire::NodeId& id, const wire::Address& address) {
  if (!ties_ids(address)) return true;
  const std::uint32_t begins = wire::load_be32(id.bytes().data());
  return ((begins ^ prefix_for(address, id.bytes()[19])) & kPrefixBits) == 0;
}

wire::NodeId derive_id(const wire::Address& address, std::uint8_t choice, wire::Rng& rng) {
  auto id = rng.id<wire::NodeId>();
  const std::uint32_t random = wire::load_be32(id.bytes().data());
  wire::store_be32(id.bytes().data(), (prefix_for(address, choice) & kPrefixBits) | (random & ~kPrefixBits));
  id.bytes()[19] = choice;
  return id;
}

wire::NodeId derive_id(const wire::Address& address, wire::Rng& rng) {
  return derive_id(address, static_cast<std::uint8_t>(rng.next()), rng);
}

}  // namespace lodestone::dht
