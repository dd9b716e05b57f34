// SPDX-License-Identifier: Apache-2.0
#include "wire/base/block.hpp"

#include <algorithm>
#include <set>
#include <type_traits>
#include <vector>

#include <catch2/catch.hpp>

using namespace lodestone::wire;

static_assert(!std::is_copy_constructible_v<Block>);
static_assert(std::is_nothrow_move_constructible_v<Block>);

TEST_CASE("a pool hands out its budget and not one block more") {
  BlockPool pool{200 * kBlockSize + kBlockSize - 1};
  REQUIRE(pool.capacity() == 200);
  std::vector<Block> held;
  std::set<const std::uint8_t*> buffers;
  for (int i = 0; i < 200; ++i) {
    Block b = pool.take();
    REQUIRE(b);
    std::fill(b.buffer().begin(), b.buffer().end(), static_cast<std::uint8_t>(i));
    buffers.insert(b.buffer().data());
    held.push_back(std::move(b));
  }
  CHECK(buffers.size() == 200);
  CHECK(pool.available() == 0);
  CHECK_FALSE(pool.take());
  // Nobody wrote into anybody else's block.
  for (std::size_t i = 0; i < held.size(); ++i) {
    const Bytes all = std::as_const(held[i]).bytes();
    REQUIRE(all.size() == kBlockSize);
    REQUIRE(std::all_of(all.begin(), all.end(), [i](std::uint8_t b) { return b == static_cast<std::uint8_t>(i); }));
  }
  held.erase(held.begin() + 10, held.begin() + 20);
  CHECK(pool.in_use() == 190);
  for (int i = 0; i < 10; ++i) {
    held.push_back(pool.take());
    REQUIRE(held.back());
    CHECK(buffers.contains(held.back().buffer().data()));
  }
  CHECK_FALSE(pool.take());
}

TEST_CASE("a budget below one block is one block") {
  BlockPool pool{0};
  CHECK(pool.capacity() == 1);
  Block b = pool.take(5);
  CHECK(b);
  CHECK_FALSE(pool.take());
}

TEST_CASE("a block has a size and room behind it, and an empty one has neither") {
  BlockPool pool{kBlockSize};
  Block b = pool.take(100);
  CHECK(b.size() == 100);
  CHECK(b.bytes().size() == 100);
  CHECK(b.buffer().size() == kBlockSize);
  b.resize(kBlockSize);
  CHECK(b.bytes().size() == kBlockSize);
  Block none;
  CHECK_FALSE(none);
  CHECK(none.bytes().empty());
  CHECK(none.buffer().empty());
}

TEST_CASE("moving a block moves its bytes without copying, and gives back what it replaces") {
  BlockPool pool{4 * kBlockSize};
  Block a = pool.take(1);
  const std::uint8_t* data = a.bytes().data();
  Block b = std::move(a);
  CHECK_FALSE(a);  // NOLINT(bugprone-use-after-move): a moved-from block is empty, and that is what is tested
  CHECK(b.bytes().data() == data);
  CHECK(pool.in_use() == 1);
  Block c = pool.take(2);
  CHECK(pool.in_use() == 2);
  c = std::move(b);
  CHECK(pool.in_use() == 1);
  CHECK(c.bytes().data() == data);
  CHECK(c.size() == 1);
  Block& self = c;
  c = std::move(self);
  CHECK(c.bytes().data() == data);
  c = Block{};
  CHECK(pool.in_use() == 0);
}
