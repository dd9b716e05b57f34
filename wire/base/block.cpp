// SPDX-License-Identifier: Apache-2.0
#include "wire/base/block.hpp"

#include <algorithm>
#include <cassert>

namespace lodestone::wire {
namespace {

constexpr std::size_t kBlocksPerSlice = 64;  // 1 MiB: large enough to be cheap, small enough for a small node

}  // namespace

BlockPool::BlockPool(std::size_t budget) : capacity_(std::max<std::size_t>(1, budget / kBlockSize)) {}

BlockPool::~BlockPool() { assert(in_use_ == 0); }

Block BlockPool::take(std::uint32_t size) {
  assert(size <= kBlockSize);
  if (in_use_ == capacity_) return {};
  if (free_.empty()) {
    const std::size_t n = std::min(kBlocksPerSlice, capacity_ - carved_);
    // Room for every block that exists, so that giving one back (in a destructor) never allocates.
    free_.reserve(carved_ + n);
    slices_.push_back(std::make_unique_for_overwrite<std::uint8_t[]>(n * kBlockSize));
    for (std::size_t i = n; i-- > 0;) free_.push_back(slices_.back().get() + i * kBlockSize);
    carved_ += n;
  }
  // Last in, first out: the block that was used last is the one that is still in the cache.
  std::uint8_t* data = free_.back();
  free_.pop_back();
  ++in_use_;
  return Block{this, data, size};
}

void BlockPool::give_back(std::uint8_t* data) {
  assert(in_use_ > 0);
  --in_use_;
  free_.push_back(data);
}

}  // namespace lodestone::wire
