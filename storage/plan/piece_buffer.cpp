// SPDX-License-Identifier: Apache-2.0
#include "storage/plan/piece_buffer.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace lodestone::storage {

PieceBuffer::PieceBuffer(wire::PieceIndex piece, std::uint32_t block_count)
    : piece_(piece), states_(block_count, Where::free), missing_(block_count) {
  assert(block_count > 0);
}

bool PieceBuffer::put(wire::BlockRef ref, wire::Block&& block) {
  assert(ref.piece == piece_ && ref.block < block_count() && block);
  Where& where = states_[ref.block];
  if (where != Where::free) return false;
  if (blocks_.size() <= ref.block) blocks_.resize(ref.block + 1);
  where = Where::held;
  --missing_;
  ++held_;
  bytes_held_ += block.size();
  blocks_[ref.block] = std::move(block);
  return true;
}

void PieceBuffer::put_back(wire::BlockRef ref, wire::Block&& block) {
  assert(ref.piece == piece_ && ref.block < block_count() && states_[ref.block] == Where::leaving && block);
  if (blocks_.size() <= ref.block) blocks_.resize(ref.block + 1);
  states_[ref.block] = Where::held;
  ++held_;
  bytes_held_ += block.size();
  blocks_[ref.block] = std::move(block);
}

void PieceBuffer::mark_spilled(wire::BlockRef ref) {
  assert(ref.piece == piece_ && ref.block < block_count());
  Where& where = states_[ref.block];
  assert(where != Where::held);
  if (where == Where::spilled) return;
  if (where == Where::free) --missing_;
  where = Where::spilled;
  ++spilled_;
}

void PieceBuffer::clear() {
  assert(leaving() == 0);
  blocks_.clear();
  std::fill(states_.begin(), states_.end(), Where::free);
  missing_ = block_count();
  held_ = 0;
  spilled_ = 0;
  bytes_held_ = 0;
}

std::vector<wire::Block> PieceBuffer::take() {
  assert(all_held());
  std::vector<wire::Block> out = std::exchange(blocks_, {});
  clear();
  return out;
}

void PieceBuffer::take_held(std::vector<wire::BlockRef>& refs, std::vector<wire::Block>& blocks) {
  for (std::uint32_t i = 0; i < blocks_.size(); ++i) {
    if (states_[i] != Where::held) continue;
    states_[i] = Where::leaving;
    refs.push_back({piece_, i});
    blocks.push_back(std::move(blocks_[i]));
  }
  held_ = 0;
  bytes_held_ = 0;
}

bool PieceBuffer::has(std::uint32_t block) const {
  assert(block < block_count());
  return states_[block] != Where::free;
}

}  // namespace lodestone::storage
