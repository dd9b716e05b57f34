// SPDX-License-Identifier: Apache-2.0
#include "wire/base/geometry.hpp"

#include <algorithm>
#include <cassert>

namespace lodestone::wire {
namespace {

constexpr std::uint64_t kMaxTotal = std::uint64_t{Geometry::kMaxPieces} * Geometry::kMaxPieceLength;

std::uint32_t blocks_in(std::uint32_t length) { return length / kBlockSize + (length % kBlockSize != 0 ? 1 : 0); }

}  // namespace

std::expected<Geometry, GeometryError> Geometry::make(std::uint64_t total, std::uint64_t piece_length) {
  if (piece_length == 0) return std::unexpected(GeometryError::piece_length_zero);
  if (piece_length > kMaxPieceLength) return std::unexpected(GeometryError::piece_length_too_large);
  // Beyond this no piece length would do; it is also far below where any sum here could overflow.
  if (total > kMaxTotal) return std::unexpected(GeometryError::total_too_large);
  const std::uint64_t pieces = total / piece_length + (total % piece_length != 0 ? 1 : 0);
  if (pieces > kMaxPieces) return std::unexpected(GeometryError::too_many_pieces);
  return Geometry{total, static_cast<std::uint32_t>(piece_length), static_cast<std::uint32_t>(pieces)};
}

std::uint32_t Geometry::length(PieceIndex piece) const {
  assert(piece.value() < piece_count_);
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(piece_length_, total_ - offset(piece)));
}

std::uint64_t Geometry::offset(PieceIndex piece) const { return std::uint64_t{piece.value()} * piece_length_; }

std::uint32_t Geometry::block_count(PieceIndex piece) const { return blocks_in(length(piece)); }

std::uint32_t Geometry::block_length(BlockRef block) const {
  assert(block.block < block_count(block.piece));
  return std::min(kBlockSize, length(block.piece) - block_begin(block));
}

BlockRange Geometry::range(BlockRef block) const { return {block.piece, block_begin(block), block_length(block)}; }

std::uint64_t Geometry::total_blocks() const {
  if (piece_count_ == 0) return 0;
  return std::uint64_t{piece_count_ - 1} * blocks_in(piece_length_) + block_count(PieceIndex{piece_count_ - 1});
}

std::optional<PieceIndex> Geometry::piece(std::uint64_t raw) const {
  if (raw >= piece_count_) return std::nullopt;
  return PieceIndex{static_cast<std::uint32_t>(raw)};
}

std::optional<BlockRange> Geometry::range(std::uint64_t piece, std::uint64_t begin, std::uint64_t length) const {
  const auto index = this->piece(piece);
  if (!index || length == 0 || length > kMaxRequest) return std::nullopt;
  const std::uint32_t size = this->length(*index);
  // Written as a subtraction: begin + length could wrap.
  if (begin >= size || length > size - begin) return std::nullopt;
  return BlockRange{*index, static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(length)};
}

std::optional<BlockRef> Geometry::block(std::uint64_t piece, std::uint64_t begin, std::uint64_t length) const {
  const auto index = this->piece(piece);
  if (!index || begin % kBlockSize != 0 || begin >= this->length(*index)) return std::nullopt;
  const BlockRef ref{*index, static_cast<std::uint32_t>(begin / kBlockSize)};
  if (length != block_length(ref)) return std::nullopt;
  return ref;
}

}  // namespace lodestone::wire
