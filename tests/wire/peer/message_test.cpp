// SPDX-License-Identifier: Apache-2.0
#include "wire/peer/message.hpp"

#include <catch2/catch.hpp>

using namespace lodestone::wire;

namespace {

constexpr MessageLimits kEarly{std::nullopt, 256 * 1024, 256 * 1024};
constexpr MessageLimits kLate{1001, 256 * 1024, 256 * 1024};

LengthVerdict check(MessageId id, std::uint32_t length, const MessageLimits& limits = kLate) {
  return check_length(static_cast<std::uint8_t>(id), length, limits);
}

template <class F>
std::string hex_of(F&& encode) {
  ByteVector out;
  encode(out);
  return to_hex(out);
}

}  // namespace

TEST_CASE("messages are encoded as BEP 3, 5, 6 and 10 have them") {
  const BlockRange range{PieceIndex{0x01020304}, 0x00014000, 0x4000};
  CHECK(hex_of([](ByteVector& o) { encode_keepalive(o); }) == "00000000");
  CHECK(hex_of([](ByteVector& o) { encode_plain(o, MessageId::choke); }) == "0000000100");
  CHECK(hex_of([](ByteVector& o) { encode_plain(o, MessageId::have_all); }) == "000000010e");
  CHECK(hex_of([](ByteVector& o) { encode_plain(o, MessageId::have_none); }) == "000000010f");
  CHECK(hex_of([](ByteVector& o) { encode_index(o, MessageId::have, PieceIndex{7}); }) == "000000050400000007");
  CHECK(hex_of([](ByteVector& o) { encode_index(o, MessageId::allowed_fast, PieceIndex{7}); }) == "000000051100000007");
  CHECK(hex_of([&](ByteVector& o) { encode_range(o, MessageId::request, range); }) ==
        "0000000d06010203040001400000004000");
  CHECK(hex_of([&](ByteVector& o) { encode_range(o, MessageId::reject, range); }) ==
        "0000000d10010203040001400000004000");
  CHECK(to_hex(piece_header(range)) == "00004009070102030400014000");
  CHECK(hex_of([](ByteVector& o) { encode_port(o, 6881); }) == "00000003091ae1");
  Bitfield pieces{10};
  pieces.set(PieceIndex{0});
  pieces.set(PieceIndex{9});
  CHECK(hex_of([&](ByteVector& o) { encode_bitfield(o, pieces); }) == "00000003058040");
  CHECK(hex_of([](ByteVector& o) {
          o.push_back(0xee);  // what is already there stays
          const std::size_t begin = begin_extended(o, 3);
          o.push_back('d');
          o.push_back('e');
          end_extended(o, begin);
        }) == "ee0000000414036465");
}

TEST_CASE("W1 a length is judged by its message type") {
  using enum LengthVerdict;
  for (const MessageId id : {MessageId::choke, MessageId::unchoke, MessageId::interested, MessageId::not_interested,
                             MessageId::have_all, MessageId::have_none}) {
    CHECK(check(id, 1) == fits);
    CHECK(check(id, 2) == wrong);
    CHECK(check(id, 0xffffffff) == wrong);
  }
  for (const MessageId id : {MessageId::have, MessageId::suggest, MessageId::allowed_fast}) {
    CHECK(check(id, 5) == fits);
    CHECK(check(id, 4) == wrong);
    CHECK(check(id, 6) == wrong);
  }
  for (const MessageId id : {MessageId::request, MessageId::cancel, MessageId::reject}) {
    CHECK(check(id, 13) == fits);
    CHECK(check(id, 12) == wrong);
    CHECK(check(id, 14) == wrong);
  }
  CHECK(check(MessageId::port, 3) == fits);
  CHECK(check(MessageId::port, 2) == wrong);
}

TEST_CASE("W1 a piece message has at most 16 KiB and 13 bytes of head, and some payload") {
  using enum LengthVerdict;
  CHECK(check(MessageId::piece, 9) == wrong);
  CHECK(check(MessageId::piece, 10) == fits);
  CHECK(check(MessageId::piece, 9 + kBlockSize) == fits);
  CHECK(check(MessageId::piece, 10 + kBlockSize) == too_long);
  CHECK(check(MessageId::piece, 0xffffffff) == too_long);
}

TEST_CASE("W1 a bitfield is exactly ceil(n/8) bytes, or at most 256 KiB while n is unknown") {
  using enum LengthVerdict;
  CHECK(check(MessageId::bitfield, 1 + 126) == fits);  // 1001 pieces
  CHECK(check(MessageId::bitfield, 1 + 125) == wrong);
  CHECK(check(MessageId::bitfield, 1 + 127) == wrong);
  CHECK(check(MessageId::bitfield, 0xffffffff) == wrong);
  CHECK(check(MessageId::bitfield, 1 + 256 * 1024, kEarly) == fits);
  CHECK(check(MessageId::bitfield, 2 + 256 * 1024, kEarly) == too_long);
}

TEST_CASE("W1 extensions and unknown messages have at most 256 KiB") {
  using enum LengthVerdict;
  CHECK(check(MessageId::extended, 1) == wrong);
  CHECK(check(MessageId::extended, 2) == fits);
  CHECK(check(MessageId::extended, 1 + 256 * 1024) == fits);
  CHECK(check(MessageId::extended, 2 + 256 * 1024) == too_long);
  for (const int raw : {10, 11, 12, 18, 19, 21, 22, 23, 255}) {
    const auto id = static_cast<std::uint8_t>(raw);
    CHECK_FALSE(is_known(id));
    CHECK(check_length(id, 1, kLate) == fits);
    CHECK(check_length(id, 1 + 256 * 1024, kLate) == fits);
    CHECK(check_length(id, 2 + 256 * 1024, kLate) == too_long);
  }
}
