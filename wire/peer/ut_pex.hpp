// SPDX-License-Identifier: Apache-2.0
// BEP 11 messages: who came, who left, both families in one message.
#pragma once

#include <cstdint>
#include <expected>
#include <vector>

#include "wire/base/bencode.hpp"
#include "wire/base/bytes.hpp"
#include "wire/base/endpoint.hpp"

namespace lodestone::wire {

struct PexPeer {
  static constexpr std::uint8_t kEncryption = 0x01, kSeed = 0x02, kUtp = 0x04, kHolepunch = 0x08, kOutgoing = 0x10;
  Endpoint endpoint;
  std::uint8_t flags = 0;
};

struct UtPex {
  std::vector<PexPeer> added;
  std::vector<Endpoint> dropped;

  void encode(ByteVector& out) const;
  /// Keeps at most kMaxEntries of each list and family; what is beyond is dropped, ragged tails too.
  static constexpr std::size_t kMaxEntries = 200;
  [[nodiscard]] static std::expected<UtPex, bencode::Failure> decode(Bytes payload);
};

}  // namespace lodestone::wire
