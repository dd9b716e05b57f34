// SPDX-License-Identifier: Apache-2.0
// The 68 bytes that open every connection (BEP 3): protocol name, reserved bits, info-hash, peer id. Only the codec;
// the order of things is peer_connection's.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "wire/base/bytes.hpp"
#include "wire/base/id.hpp"

namespace lodestone::wire {

struct Handshake {
  static constexpr std::size_t kSize = 68;
  /// What an accepting side needs to know before it can answer: everything up to and with the info-hash.
  static constexpr std::size_t kInfoHashEnd = 48;

  bool dht = false;       // BEP 5: takes PORT
  bool fast = false;      // BEP 6
  bool extended = false;  // BEP 10
  InfoHash info_hash;
  PeerId peer_id;

  [[nodiscard]] std::array<std::uint8_t, kSize> encode() const;
  /// False as soon as one byte of the protocol name is wrong; any length, also a few bytes of a handshake only.
  [[nodiscard]] static bool plausible(Bytes begin);
  /// The first kInfoHashEnd or more bytes of a plausible handshake; the peer id is filled in when all kSize are there.
  [[nodiscard]] static Handshake decode(Bytes bytes);

  friend bool operator==(const Handshake&, const Handshake&) = default;
};

}  // namespace lodestone::wire
