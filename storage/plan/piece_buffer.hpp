// SPDX-License-Identifier: Apache-2.0
// The blocks of one open piece until it can be stored. A block is free, held (in memory), leaving (in a Spill job) or
// spilled (in the scratch file). Pieces up to kMemoryPieceLimit never leave memory; longer ones go through Spill job by
// job and end in StoreSpilled (D4). Pure; owned by whoever runs the torrent; blocks are moved, never copied.
// Invariant: missing() counts the free blocks, bytes_held() is the payload of the held ones; nobody else knows where a
// block is.
//
//   short piece:  put() ... until complete(), then take() -> job::StorePiece
//   long piece:   put() ..., take_held() -> job::Spill; its result: mark_spilled() each, or put_back() each on trouble;
//                 when all_spilled() -> job::StoreSpilled
#pragma once

#include <cstdint>
#include <vector>

#include "wire/base/block.hpp"
#include "wire/base/index.hpp"

namespace lodestone::storage {

class PieceBuffer {
 public:
  /// block_count > 0, as Geometry has it.
  PieceBuffer(wire::PieceIndex piece, std::uint32_t block_count);

  /// Takes the block (never empty). False when that block is there already: then `block` is untouched and waste (W4).
  bool put(wire::BlockRef ref, wire::Block&& block);
  /// A Spill job failed and brought the block home: leaving -> held.
  void put_back(wire::BlockRef ref, wire::Block&& block);
  /// The scratch file has it: after a Spill (leaving -> spilled), or found at Open (free -> spilled).
  void mark_spilled(wire::BlockRef ref);
  /// Forgets everything, destroys what is held: the piece was corrupt. Nothing may be leaving (asserted).
  void clear();

  /// All blocks in order, for StorePiece; all must be held (asserted). Afterwards the buffer is as new.
  [[nodiscard]] std::vector<wire::Block> take();
  /// Moves the held blocks out for a Spill job, in order, and marks them leaving. Appends.
  void take_held(std::vector<wire::BlockRef>& refs, std::vector<wire::Block>& blocks);

  [[nodiscard]] wire::PieceIndex piece() const { return piece_; }
  [[nodiscard]] std::uint32_t block_count() const { return static_cast<std::uint32_t>(states_.size()); }
  /// Received, wherever it is by now.
  [[nodiscard]] bool has(std::uint32_t block) const;
  [[nodiscard]] bool has(wire::BlockRef ref) const { return has(ref.block); }
  /// Blocks not received.
  [[nodiscard]] std::uint32_t missing() const { return missing_; }
  [[nodiscard]] bool empty() const { return missing_ == block_count(); }
  [[nodiscard]] bool complete() const { return missing_ == 0; }
  /// Complete and in memory: take() may be called.
  [[nodiscard]] bool all_held() const { return held_ == block_count(); }
  /// Complete and in the scratch file: StoreSpilled may be issued.
  [[nodiscard]] bool all_spilled() const { return spilled_ == block_count(); }
  [[nodiscard]] std::uint32_t held() const { return held_; }
  [[nodiscard]] std::uint32_t leaving() const { return block_count() - missing_ - held_ - spilled_; }
  [[nodiscard]] std::uint32_t spilled() const { return spilled_; }
  /// Payload bytes in memory here (what a Spill would free).
  [[nodiscard]] std::uint64_t bytes_held() const { return bytes_held_; }

 private:
  enum class Where : std::uint8_t { free, held, leaving, spilled };

  wire::PieceIndex piece_;
  std::vector<Where> states_;
  std::vector<wire::Block> blocks_;  // grown as far as the highest held block
  std::uint32_t missing_;
  std::uint32_t held_ = 0;
  std::uint32_t spilled_ = 0;
  std::uint64_t bytes_held_ = 0;
};

}  // namespace lodestone::storage
