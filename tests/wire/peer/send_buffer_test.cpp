// SPDX-License-Identifier: Apache-2.0
#include "wire/peer/send_buffer.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <vector>

#include <catch2/catch.hpp>

#include "wire/base/rng.hpp"

using namespace lodestone::wire;

namespace {

Block block_of(BlockPool& pool, std::uint32_t size, std::uint8_t fill) {
  Block b = pool.take(size);
  std::fill(b.bytes().begin(), b.bytes().end(), fill);
  return b;
}

void push_control(SendBuffer& b, Bytes bytes) {
  b.control().insert(b.control().end(), bytes.begin(), bytes.end());
  b.commit();
}

ByteVector peek(const SendBuffer& b, std::size_t spans) {
  std::vector<Bytes> buffers(spans);
  const std::size_t used = b.gather(buffers);
  ByteVector out;
  for (std::size_t i = 0; i < used; ++i) {
    CHECK_FALSE(buffers[i].empty());
    std::copy(buffers[i].begin(), buffers[i].end(), std::back_inserter(out));
  }
  return out;
}

BlockRange range_of(std::uint32_t piece, std::uint32_t length) { return {PieceIndex{piece}, 0, length}; }

}  // namespace

TEST_CASE("a send buffer gives out control bytes and pieces in order") {
  BlockPool pool{1 << 20};
  SendBuffer b;
  CHECK(b.empty());
  push_control(b, as_bytes("abc"));
  push_control(b, as_bytes("def"));
  b.push_piece(range_of(1, 5), block_of(pool, 5, 'x'));
  push_control(b, as_bytes("g"));
  std::array<Bytes, 8> buffers;
  CHECK(b.gather(buffers) == 4);
  CHECK(as_text(buffers[0]) == "abcdef");
  CHECK(to_hex(buffers[1]) == "0000000e070000000100000000");
  CHECK(as_text(buffers[2]) == "xxxxx");
  CHECK(as_text(buffers[3]) == "g");
  CHECK(b.total() == 6 + 13 + 5 + 1);
  CHECK(b.payload() == 5);
  CHECK(b.control_bytes() == 7);
  CHECK(b.gather(std::span{buffers}.first(2)) == 2);

  CHECK(b.sent(6 + 12) == 0);
  CHECK(b.sent(1 + 3) == 3);
  CHECK(b.payload() == 2);
  CHECK(pool.in_use() == 1);
  CHECK(b.sent(2) == 2);
  CHECK(pool.in_use() == 0);
  CHECK(b.sent(1) == 0);
  CHECK(b.empty());
}

TEST_CASE("a queued piece can be taken back until its first byte went") {
  BlockPool pool{1 << 20};
  SendBuffer b;
  b.push_piece(range_of(1, 5), block_of(pool, 5, '1'));
  push_control(b, as_bytes("ab"));
  b.push_piece(range_of(2, 5), block_of(pool, 5, '2'));
  push_control(b, as_bytes("cd"));
  CHECK_FALSE(b.remove_piece(range_of(3, 5)));
  CHECK_FALSE(b.remove_piece({PieceIndex{2}, 1, 5}));
  CHECK(b.remove_piece(range_of(2, 5)));
  CHECK_FALSE(b.remove_piece(range_of(2, 5)));
  CHECK(pool.in_use() == 1);
  CHECK(b.total() == 18 + 4);
  CHECK(as_text(peek(b, 16)).ends_with("11111abcd"));
  (void)b.sent(1);
  CHECK_FALSE(b.remove_piece(range_of(1, 5)));
  (void)b.sent(17);
  CHECK(as_text(peek(b, 16)) == "abcd");
  (void)b.sent(4);
  CHECK(b.empty());

  b.push_piece(range_of(4, 5), block_of(pool, 5, '4'));
  CHECK(b.remove_piece(range_of(4, 5)));
  CHECK(b.empty());
  CHECK(peek(b, 16).empty());
  push_control(b, as_bytes("z"));
  CHECK(as_text(peek(b, 16)) == "z");
}

TEST_CASE("whatever is queued, taken back and sent, the stream is that of a plain queue") {
  BlockPool pool{4 << 20};
  SendBuffer b;
  struct Item {
    ByteVector bytes;
    std::optional<BlockRange> range;
  };
  std::vector<Item> model;
  std::size_t front = 0;  // sent bytes of model[0]
  ByteVector expected, got;
  Rng rng = Rng::from_number(7);
  std::uint32_t number = 0;
  for (int round = 0; round < 20'000; ++round) {
    const std::uint64_t dice = rng.below(10);
    if (dice < 3) {
      ByteVector bytes(1 + rng.below(40));
      rng.fill(bytes);
      push_control(b, bytes);
      model.push_back({bytes, std::nullopt});
    } else if (dice < 5 && pool.available() > 0) {
      const BlockRange range = range_of(++number, static_cast<std::uint32_t>(1 + rng.below(60)));
      Block block = block_of(pool, range.length, static_cast<std::uint8_t>(number));
      const auto head = piece_header(range);
      ByteVector bytes(head.begin(), head.end());
      std::copy(block.bytes().begin(), block.bytes().end(), std::back_inserter(bytes));
      b.push_piece(range, std::move(block));
      model.push_back({bytes, range});
    } else if (dice == 5 && !model.empty()) {
      const std::size_t i = rng.below(model.size());
      if (!model[i].range) continue;
      const bool there = i != 0 || front == 0;
      REQUIRE(b.remove_piece(*model[i].range) == there);
      if (there) model.erase(model.begin() + static_cast<std::ptrdiff_t>(i));
    } else {
      const ByteVector next = peek(b, 1 + rng.below(6));
      const std::size_t n = std::min<std::size_t>(next.size(), rng.below(200));
      (void)b.sent(n);
      got.insert(got.end(), next.begin(), next.begin() + static_cast<std::ptrdiff_t>(n));
      for (std::size_t left = n; left > 0;) {
        const std::size_t step = std::min(left, model[0].bytes.size() - front);
        const auto at = model[0].bytes.begin() + static_cast<std::ptrdiff_t>(front);
        expected.insert(expected.end(), at, at + static_cast<std::ptrdiff_t>(step));
        front += step;
        left -= step;
        if (front < model[0].bytes.size()) continue;
        model.erase(model.begin());
        front = 0;
      }
      REQUIRE(got == expected);
      got.clear();
      expected.clear();
    }
    std::size_t total = 0;
    for (const Item& i : model) total += i.bytes.size();
    REQUIRE(b.total() == total - front);
  }
  b.clear();
  CHECK(pool.in_use() == 0);
  CHECK(b.empty());
}
