// SPDX-License-Identifier: Apache-2.0
#include "wire/peer/handshake.hpp"

#include <catch2/catch.hpp>

using namespace lodestone::wire;

namespace {

Handshake example() {
  Handshake h;
  h.info_hash = *InfoHash::from_hex("000102030405060708090a0b0c0d0e0f10111213");
  h.peer_id = *PeerId::from_bytes(as_bytes("-LS0001-abcdefghijkl"));
  return h;
}

}  // namespace

TEST_CASE("a handshake is 68 bytes with name, reserved bits, info-hash and peer id at their places") {
  Handshake h = example();
  h.dht = h.fast = h.extended = true;
  const auto bytes = h.encode();
  CHECK(to_hex(bytes) ==
        "13"
        "426974546f7272656e742070726f746f636f6c"
        "0000000000100005"
        "000102030405060708090a0b0c0d0e0f10111213"
        "2d4c53303030312d6162636465666768696a6b6c");
  CHECK(Handshake::decode(bytes) == h);
}

TEST_CASE("each reserved bit of a handshake stands for itself and foreign ones are ignored") {
  for (int mask = 0; mask < 8; ++mask) {
    Handshake h = example();
    h.dht = (mask & 1) != 0;
    h.fast = (mask & 2) != 0;
    h.extended = (mask & 4) != 0;
    auto bytes = h.encode();
    CHECK(Handshake::decode(bytes) == h);
    bytes[20] = 0xff;
    bytes[25] = static_cast<std::uint8_t>(bytes[25] | 0xef);
    bytes[27] = static_cast<std::uint8_t>(bytes[27] | 0xfa);
    CHECK(Handshake::decode(bytes) == h);
  }
}

TEST_CASE("a handshake is readable to the info-hash before the peer id is there") {
  const auto bytes = example().encode();
  const Handshake half = Handshake::decode(Bytes{bytes}.first(Handshake::kInfoHashEnd));
  CHECK(half.info_hash == example().info_hash);
  CHECK(half.peer_id.is_zero());
}

TEST_CASE("every prefix of the protocol name is plausible and nothing else is") {
  const auto bytes = example().encode();
  for (std::size_t n = 0; n <= bytes.size(); ++n) CHECK(Handshake::plausible(Bytes{bytes}.first(n)));
  for (std::size_t i = 0; i < 20; ++i) {
    auto broken = bytes;
    broken[i] ^= 1;
    CHECK(Handshake::plausible(Bytes{broken}.first(i)));
    CHECK_FALSE(Handshake::plausible(Bytes{broken}.first(i + 1)));
    CHECK_FALSE(Handshake::plausible(broken));
  }
}
