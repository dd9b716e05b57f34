// SPDX-License-Identifier: Apache-2.0
#include "magnet/swarm/peer_priority.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace lodestone::magnet {
namespace {

bool same_prefix(wire::Bytes a, wire::Bytes b, std::size_t bytes) {
  return std::equal(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(bytes), b.begin());
}

/// The address as it enters the checksum: whole up to `whole` bytes, beyond that every second bit.
std::array<std::uint8_t, 16> masked(wire::Bytes address, std::size_t whole) {
  std::array<std::uint8_t, 16> out{};
  for (std::size_t i = 0; i < address.size(); ++i) out[i] = i < whole ? address[i] : address[i] & 0x55;
  return out;
}

/// Addresses that share a network are told apart by more of their bytes.
std::size_t whole_bytes(wire::Bytes a, wire::Bytes b) {
  std::size_t whole = a.size() == 4 ? 2 : 6;
  const std::size_t last = a.size() == 4 ? 4 : 8;
  while (whole < last && same_prefix(a, b, whole)) ++whole;
  return whole;
}

}  // namespace

std::uint32_t crc32c(wire::Bytes data) {
  std::uint32_t crc = ~0u;
  for (const std::uint8_t byte : data) {
    crc ^= byte;
    for (int i = 0; i < 8; ++i) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0u);
  }
  return ~crc;
}

std::uint32_t canonical_priority(const wire::Endpoint& a, const wire::Endpoint& b) {
  if (a.family() != b.family()) return 0;
  std::array<std::uint8_t, 32> input{};
  if (a.address == b.address) {
    wire::store_be16(input.data(), std::min(a.port, b.port));
    wire::store_be16(input.data() + 2, std::max(a.port, b.port));
    return crc32c({input.data(), 4});
  }
  const wire::Bytes raw_a = a.address.bytes(), raw_b = b.address.bytes();
  const std::size_t whole = whole_bytes(raw_a, raw_b), n = raw_a.size();
  auto first = masked(raw_a, whole), second = masked(raw_b, whole);
  if (second < first) std::swap(first, second);
  std::memcpy(input.data(), first.data(), n);
  std::memcpy(input.data() + n, second.data(), n);
  return crc32c({input.data(), 2 * n});
}

}  // namespace lodestone::magnet
