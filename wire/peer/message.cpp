// SPDX-License-Identifier: Apache-2.0
#include "wire/peer/message.hpp"

#include <algorithm>
#include <cassert>

namespace lodestone::wire {
namespace {

std::uint8_t* append(ByteVector& out, std::size_t n) {
  out.resize(out.size() + n);
  return out.data() + out.size() - n;
}

std::uint8_t* begin_message(ByteVector& out, MessageId id, std::uint32_t payload) {
  std::uint8_t* p = append(out, 5 + std::size_t{payload});
  store_be32(p, 1 + payload);
  p[4] = static_cast<std::uint8_t>(id);
  return p + 5;
}

LengthVerdict exactly(std::uint32_t length, std::uint32_t right) {
  return length == right ? LengthVerdict::fits : LengthVerdict::wrong;
}

LengthVerdict between(std::uint32_t length, std::uint32_t least, std::uint64_t most) {
  if (length < least) return LengthVerdict::wrong;
  return length > most ? LengthVerdict::too_long : LengthVerdict::fits;
}

LengthVerdict check_bitfield(std::uint32_t length, const MessageLimits& limits) {
  if (!limits.pieces) return between(length, 1, 1 + std::uint64_t{limits.early_bitfield});
  return exactly(length, 1 + (*limits.pieces + 7) / 8);
}

}  // namespace

bool is_known(std::uint8_t id) { return id <= 9 || (id >= 13 && id <= 17) || id == 20; }

bool needs_fast(MessageId id) { return id >= MessageId::suggest && id <= MessageId::allowed_fast; }

LengthVerdict check_length(std::uint8_t id, std::uint32_t length, const MessageLimits& limits) {
  assert(length >= 1);
  const std::uint64_t longest = 1 + std::uint64_t{limits.extended};
  if (!is_known(id)) return between(length, 1, longest);
  switch (static_cast<MessageId>(id)) {
    case MessageId::choke:
    case MessageId::unchoke:
    case MessageId::interested:
    case MessageId::not_interested:
    case MessageId::have_all:
    case MessageId::have_none: return exactly(length, 1);
    case MessageId::port: return exactly(length, 3);
    case MessageId::have:
    case MessageId::suggest:
    case MessageId::allowed_fast: return exactly(length, 5);
    case MessageId::request:
    case MessageId::cancel:
    case MessageId::reject: return exactly(length, 13);
    // A piece without payload is nothing that anybody can have asked for.
    case MessageId::piece: return between(length, 10, 9 + kBlockSize);
    case MessageId::bitfield: return check_bitfield(length, limits);
    case MessageId::extended: return between(length, 2, longest);
  }
  return LengthVerdict::wrong;
}

void encode_keepalive(ByteVector& out) { store_be32(append(out, 4), 0); }

void encode_plain(ByteVector& out, MessageId id) { begin_message(out, id, 0); }

void encode_index(ByteVector& out, MessageId id, PieceIndex piece) {
  store_be32(begin_message(out, id, 4), piece.value());
}

void encode_range(ByteVector& out, MessageId id, const BlockRange& range) {
  std::uint8_t* p = begin_message(out, id, 12);
  store_be32(p, range.piece.value());
  store_be32(p + 4, range.begin);
  store_be32(p + 8, range.length);
}

void encode_bitfield(ByteVector& out, const Bitfield& pieces) {
  const Bytes bits = pieces.wire();
  begin_message(out, MessageId::bitfield, static_cast<std::uint32_t>(bits.size()));
  std::copy(bits.begin(), bits.end(), out.end() - static_cast<std::ptrdiff_t>(bits.size()));
}

void encode_port(ByteVector& out, std::uint16_t port) { store_be16(begin_message(out, MessageId::port, 2), port); }

std::size_t begin_extended(ByteVector& out, std::uint8_t extension_id) {
  const std::size_t begin = out.size();
  *begin_message(out, MessageId::extended, 1) = extension_id;
  return begin;
}

void end_extended(ByteVector& out, std::size_t begin) {
  assert(out.size() >= begin + 6);
  store_be32(out.data() + begin, static_cast<std::uint32_t>(out.size() - begin - 4));
}

std::array<std::uint8_t, kPieceHeader> piece_header(const BlockRange& range) {
  std::array<std::uint8_t, kPieceHeader> out;
  store_be32(out.data(), 9 + range.length);
  out[4] = static_cast<std::uint8_t>(MessageId::piece);
  store_be32(out.data() + 5, range.piece.value());
  store_be32(out.data() + 9, range.begin);
  return out;
}

}  // namespace lodestone::wire
