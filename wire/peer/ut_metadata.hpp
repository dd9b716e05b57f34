// SPDX-License-Identifier: Apache-2.0
// BEP 9 messages. The dict is followed by raw bytes; the decoder says where it ended (M5).
#pragma once

#include <cstdint>
#include <expected>

#include "wire/base/bencode.hpp"
#include "wire/base/bytes.hpp"

namespace lodestone::wire {

inline constexpr std::uint32_t kMetadataPiece = 16 * 1024;

struct UtMetadata {
  enum class Type : std::uint8_t { request = 0, data = 1, reject = 2, unknown = 255 };
  Type type = Type::unknown;
  std::uint32_t piece = 0;
  std::uint64_t total_size = 0;  // data only
  ByteVector data;               // data only, at most kMetadataPiece bytes

  void encode(ByteVector& out) const;
  /// An unknown msg_type decodes to Type::unknown (to be ignored, says the BEP).
  [[nodiscard]] static std::expected<UtMetadata, bencode::Failure> decode(Bytes payload);
};

}  // namespace lodestone::wire
