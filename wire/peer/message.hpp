// SPDX-License-Identifier: Apache-2.0
// The frames of BEP 3, 5, 6 and 10: a four-byte length, a one-byte id, a payload. Knows which length goes with which id
// (W1: asked before anything is allocated for a message) and how each is written. Meaning is peer_connection's.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "wire/base/bitfield.hpp"
#include "wire/base/bytes.hpp"
#include "wire/base/index.hpp"

namespace lodestone::wire {

enum class MessageId : std::uint8_t {
  choke = 0,
  unchoke = 1,
  interested = 2,
  not_interested = 3,
  have = 4,
  bitfield = 5,
  request = 6,
  piece = 7,
  cancel = 8,
  port = 9,
  suggest = 13,
  have_all = 14,
  have_none = 15,
  reject = 16,
  allowed_fast = 17,
  extended = 20
};

/// False for ids that no BEP we speak defines; such messages are skipped.
[[nodiscard]] bool is_known(std::uint8_t id);
/// Messages that exist only between two peers that both set the Fast bit (BEP 6).
[[nodiscard]] bool needs_fast(MessageId id);

/// A piece message in front of its payload: length, id, piece, begin.
inline constexpr std::size_t kPieceHeader = 13;

struct MessageLimits {
  std::optional<std::uint32_t> pieces;  // of the torrent, once known
  std::uint32_t early_bitfield = 0;     // bytes, until then
  std::uint32_t extended = 0;           // bytes of payload; also of a message that we do not know
};

enum class LengthVerdict : std::uint8_t { fits, too_long, wrong };

/// `length` is the four-byte number: id and payload. At least 1 (0 is a keep-alive and has no id).
[[nodiscard]] LengthVerdict check_length(std::uint8_t id, std::uint32_t length, const MessageLimits& limits);

// Each appends one whole message.
void encode_keepalive(ByteVector& out);
void encode_plain(ByteVector& out, MessageId id);
/// have, suggest, allowed_fast.
void encode_index(ByteVector& out, MessageId id, PieceIndex piece);
/// request, cancel, reject.
void encode_range(ByteVector& out, MessageId id, const BlockRange& range);
void encode_bitfield(ByteVector& out, const Bitfield& pieces);
void encode_port(ByteVector& out, std::uint16_t port);
/// For a payload that is written into `out` afterwards: begin, append the payload, end with what begin returned.
[[nodiscard]] std::size_t begin_extended(ByteVector& out, std::uint8_t extension_id);
void end_extended(ByteVector& out, std::size_t begin);
/// What goes in front of range.length bytes of payload.
[[nodiscard]] std::array<std::uint8_t, kPieceHeader> piece_header(const BlockRange& range);

}  // namespace lodestone::wire
