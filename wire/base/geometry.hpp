// SPDX-License-Identifier: Apache-2.0
// How a torrent's bytes divide into pieces and blocks (P2). The only maker of PieceIndex, BlockRef and BlockRange from
// raw integers of the network; after that nobody needs to check them again.
// Invariant: 0 < piece_length <= 512 MiB, piece_count == ceil(total / piece_length) <= 2 M, no sum overflows 64 bits.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>

#include "wire/base/index.hpp"

namespace lodestone::wire {

enum class GeometryError { piece_length_zero, piece_length_too_large, too_many_pieces, total_too_large };

class Geometry {
 public:
  static constexpr std::uint32_t kMaxPieceLength = 512u << 20;
  static constexpr std::uint32_t kMaxPieces = 2'000'000;
  /// Largest block a remote may request (libtorrent and others allow 16 KiB; some ask for 32).
  static constexpr std::uint32_t kMaxRequest = 128 * 1024;

  /// total in bytes; a torrent of zero bytes has zero pieces.
  [[nodiscard]] static std::expected<Geometry, GeometryError> make(std::uint64_t total, std::uint64_t piece_length);

  [[nodiscard]] std::uint64_t total() const { return total_; }
  [[nodiscard]] std::uint32_t piece_length() const { return piece_length_; }
  [[nodiscard]] std::uint32_t piece_count() const { return piece_count_; }

  /// Bytes of that piece: piece_length except for the last.
  [[nodiscard]] std::uint32_t length(PieceIndex piece) const;
  /// Offset of the piece in the torrent's byte stream.
  [[nodiscard]] std::uint64_t offset(PieceIndex piece) const;
  [[nodiscard]] std::uint32_t block_count(PieceIndex piece) const;
  [[nodiscard]] std::uint32_t block_length(BlockRef block) const;
  [[nodiscard]] static std::uint32_t block_begin(BlockRef block) { return block.block * kBlockSize; }
  [[nodiscard]] BlockRange range(BlockRef block) const;
  [[nodiscard]] std::uint64_t total_blocks() const;

  /// Checked makers for raw integers; nullopt when out of range.
  [[nodiscard]] std::optional<PieceIndex> piece(std::uint64_t raw) const;
  /// A request: inside one piece, 0 < length <= kMaxRequest.
  [[nodiscard]] std::optional<BlockRange> range(std::uint64_t piece, std::uint64_t begin, std::uint64_t length) const;
  /// A received block: begin on a 16 KiB boundary and exactly the length this block has.
  [[nodiscard]] std::optional<BlockRef> block(std::uint64_t piece, std::uint64_t begin, std::uint64_t length) const;

  friend bool operator==(const Geometry&, const Geometry&) = default;

 private:
  Geometry(std::uint64_t total, std::uint32_t piece_length, std::uint32_t piece_count)
      : total_(total), piece_length_(piece_length), piece_count_(piece_count) {}

  std::uint64_t total_;
  std::uint32_t piece_length_;
  std::uint32_t piece_count_;
};

}  // namespace lodestone::wire
