// SPDX-License-Identifier: Apache-2.0
#include "storage/plan/piece_buffer.hpp"

#include <utility>
#include <vector>

#include <catch2/catch.hpp>

using namespace lodestone;
using storage::PieceBuffer;

namespace {

wire::Block block(wire::BlockPool& pool, std::uint8_t tag, std::uint32_t size = wire::kBlockSize) {
  wire::Block b = pool.take(size);
  b.bytes()[0] = tag;
  return b;
}

constexpr wire::PieceIndex kPiece{7};

}  // namespace

TEST_CASE("a piece buffer hands out its blocks in order, however they came") {
  wire::BlockPool pool{1 << 20};
  PieceBuffer buffer{kPiece, 3};
  CHECK(buffer.empty());
  CHECK(buffer.missing() == 3);
  CHECK(buffer.put({kPiece, 2}, block(pool, 2, 100)));
  CHECK(buffer.put({kPiece, 0}, block(pool, 0)));
  CHECK_FALSE(buffer.has(1));
  CHECK_FALSE(buffer.complete());
  CHECK(buffer.bytes_held() == wire::kBlockSize + 100);
  CHECK(buffer.put({kPiece, 1}, block(pool, 1)));
  CHECK(buffer.complete());
  REQUIRE(buffer.all_held());

  const auto blocks = buffer.take();
  REQUIRE(blocks.size() == 3);
  for (std::uint8_t i = 0; i < 3; ++i) CHECK(blocks[i].bytes()[0] == i);
  CHECK(buffer.empty());
  CHECK(buffer.bytes_held() == 0);
  CHECK(buffer.missing() == 3);
}

TEST_CASE("W4 a duplicate block stays with the caller and changes nothing") {
  wire::BlockPool pool{1 << 20};
  PieceBuffer buffer{kPiece, 2};
  CHECK(buffer.put({kPiece, 0}, block(pool, 1)));
  wire::Block second = block(pool, 2);
  CHECK_FALSE(buffer.put({kPiece, 0}, std::move(second)));
  CHECK(second);
  CHECK(second.bytes()[0] == 2);
  CHECK(buffer.missing() == 1);
  CHECK(buffer.held() == 1);
}

TEST_CASE("D4 blocks of a long piece leave for the scratch file and are remembered there") {
  wire::BlockPool pool{1 << 20};
  PieceBuffer buffer{kPiece, 4};
  buffer.mark_spilled({kPiece, 3});  // found at Open
  CHECK(buffer.missing() == 3);
  CHECK_FALSE(buffer.put({kPiece, 3}, block(pool, 3)));
  CHECK(buffer.put({kPiece, 1}, block(pool, 1)));
  CHECK(buffer.put({kPiece, 0}, block(pool, 0)));

  std::vector<wire::BlockRef> refs;
  std::vector<wire::Block> blocks;
  buffer.take_held(refs, blocks);
  CHECK(refs == std::vector<wire::BlockRef>{{kPiece, 0}, {kPiece, 1}});
  REQUIRE(blocks.size() == 2);
  CHECK(blocks[1].bytes()[0] == 1);
  CHECK(buffer.leaving() == 2);
  CHECK(buffer.bytes_held() == 0);
  CHECK(buffer.has(0));
  CHECK_FALSE(buffer.put({kPiece, 0}, block(pool, 9)));  // a duplicate even while it travels

  buffer.mark_spilled(refs[0]);
  buffer.put_back(refs[1], std::move(blocks[1]));  // the disk was full
  CHECK(buffer.leaving() == 0);
  CHECK(buffer.held() == 1);
  CHECK(buffer.bytes_held() == wire::kBlockSize);
  CHECK(buffer.put({kPiece, 2}, block(pool, 2)));
  CHECK(buffer.complete());
  CHECK_FALSE(buffer.all_spilled());
  CHECK_FALSE(buffer.all_held());

  refs.clear();
  blocks.clear();
  buffer.take_held(refs, blocks);
  CHECK(refs == std::vector<wire::BlockRef>{{kPiece, 1}, {kPiece, 2}});
  for (const auto ref : refs) buffer.mark_spilled(ref);
  CHECK(buffer.all_spilled());
  CHECK(buffer.complete());

  buffer.clear();
  CHECK(buffer.empty());
  CHECK(buffer.spilled() == 0);
}

TEST_CASE("a cleared piece buffer gives its blocks back to the pool") {
  wire::BlockPool pool{4 * wire::kBlockSize};
  PieceBuffer buffer{kPiece, 4};
  for (std::uint32_t i = 0; i < 4; ++i) CHECK(buffer.put({kPiece, i}, block(pool, 0)));
  CHECK(pool.available() == 0);
  buffer.clear();
  CHECK(pool.available() == 4);
}
