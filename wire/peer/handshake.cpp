// SPDX-License-Identifier: Apache-2.0
#include "wire/peer/handshake.hpp"

#include <algorithm>
#include <cassert>
#include <string_view>

namespace lodestone::wire {
namespace {

// The length byte (19) belongs to it.
constexpr std::string_view kProtocol =
    "\x13"
    "BitTorrent protocol";
constexpr std::size_t kReserved = 20;
constexpr std::size_t kInfoHash = 28;
constexpr std::size_t kPeerId = 48;
static_assert(kProtocol.size() == kReserved);

// As (byte of the reserved eight, bit in it).
constexpr std::size_t kExtendedByte = kReserved + 5;
constexpr std::uint8_t kExtendedBit = 0x10;
constexpr std::size_t kLastByte = kReserved + 7;
constexpr std::uint8_t kDhtBit = 0x01;
constexpr std::uint8_t kFastBit = 0x04;

}  // namespace

std::array<std::uint8_t, Handshake::kSize> Handshake::encode() const {
  std::array<std::uint8_t, kSize> out{};
  std::copy(kProtocol.begin(), kProtocol.end(), out.begin());
  if (extended) out[kExtendedByte] = kExtendedBit;
  out[kLastByte] = static_cast<std::uint8_t>((dht ? kDhtBit : 0) | (fast ? kFastBit : 0));
  std::copy(info_hash.bytes().begin(), info_hash.bytes().end(), out.begin() + kInfoHash);
  std::copy(peer_id.bytes().begin(), peer_id.bytes().end(), out.begin() + kPeerId);
  return out;
}

bool Handshake::plausible(Bytes begin) {
  const std::size_t n = std::min(begin.size(), kProtocol.size());
  return as_text(begin.first(n)) == kProtocol.substr(0, n);
}

Handshake Handshake::decode(Bytes bytes) {
  assert(bytes.size() >= kInfoHashEnd && plausible(bytes));
  Handshake out;
  out.extended = (bytes[kExtendedByte] & kExtendedBit) != 0;
  out.dht = (bytes[kLastByte] & kDhtBit) != 0;
  out.fast = (bytes[kLastByte] & kFastBit) != 0;
  out.info_hash = *InfoHash::from_bytes(bytes.subspan(kInfoHash, InfoHash::kSize));
  if (bytes.size() >= kSize) out.peer_id = *PeerId::from_bytes(bytes.subspan(kPeerId, PeerId::kSize));
  return out;
}

}  // namespace lodestone::wire
