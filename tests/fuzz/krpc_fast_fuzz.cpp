// SPDX-License-Identifier: Apache-2.0
// The short way of the KRPC decoder against the long one. Any bytes: what the short way takes, the long way must read
// as the very same message, and Decoder::decode must say what the long way says, whichever it went. The same bytes as
// choices: the query that our own encoders write of them must be taken.
#include <algorithm>
#include <array>
#include <cstdint>

#include "dht/krpc.hpp"
#include "dht/krpc_fast.hpp"
#include "tests/support/byte_script.hpp"
#include "tests/support/same_message.hpp"

namespace {

using namespace lodestone;
using namespace lodestone::dht::krpc;
using test::require;
using wire::Bytes;

/// True: the short way took it.
bool compare(Bytes input) {
  const std::uint8_t* hash = likely_info_hash(input);
  require(hash == nullptr || (hash >= input.data() && hash + wire::Key::kSize <= input.data() + input.size()));
  static Decoder one, other;
  Message taken;
  const bool usual = read_usual_query(input, taken);
  const auto full = one.decode_any(input);
  const auto decoded = other.decode(input);
  require(decoded.has_value() == full.has_value());
  if (!full) {
    require(!usual);
    require(decoded.error().code == full.error().code && decoded.error().reason == full.error().reason);
    require(test::same_view(decoded.error().transaction, full.error().transaction));
    return false;
  }
  require(decoded->body.index() == full->body.index());
  if (std::holds_alternative<Query>(full->body)) require(test::same_message(*decoded, *full));
  require(!usual || test::same_message(taken, *full));
  return usual;
}

/// What we send has to go the short way where it arrives.
void written_by_us(Bytes raw) {
  test::ByteScript choose{raw};
  const auto id = choose.id<wire::NodeId>();
  const auto target = choose.id<wire::Key>();
  const QueryHead head{wire::load_be32(id.bytes().data()), id, wire::as_text(choose.take(choose.byte() % 8)),
                       choose.flag(), choose.flag()};
  std::array<std::uint8_t, kQueryMax + 100> room;
  std::size_t size = 0;
  switch (choose.byte() % 6) {
    case 0: size = encode_ping(room, head); break;
    case 1: size = encode_find_node(room, head, target); break;
    case 2: size = encode_get_peers(room, head, target, {choose.flag(), choose.flag()}); break;
    case 3: size = encode_get(room, head, target); break;
    case 4: size = encode_sample_infohashes(room, head, target); break;
    default: {
      const auto port = std::max<std::uint16_t>(1, choose.two_bytes());
      const bool implied = choose.flag(), seed = choose.flag();
      const Bytes token = choose.take(choose.byte() % 100);
      const std::uint8_t none[] = {'t'};
      size = encode_announce_peer(room, head, target, port, implied, token.empty() ? Bytes{none} : token, seed);
      break;
    }
  }
  require(size != 0);
  const std::uint8_t* hash = likely_info_hash(Bytes{room.data(), size});
  require(hash == nullptr || std::equal(hash, hash + wire::Key::kSize, target.bytes().begin()));
  require(compare(Bytes{room.data(), size}));
  // With a byte missing or one that is another, it may go either way, but must mean the same.
  const std::size_t at = choose.two_bytes() % size;
  compare(Bytes{room.data(), at});
  room[at] = choose.byte();
  compare(Bytes{room.data(), size});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes input{data, size};
  compare(input);
  written_by_us(input);
  return 0;
}
