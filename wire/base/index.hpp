// SPDX-License-Identifier: Apache-2.0
// Piece and block names. A PieceIndex made from a raw network integer must come out of Geometry, which has checked it;
// everybody else only hands on what Geometry made.
#pragma once

#include <compare>
#include <cstdint>

namespace lodestone::wire {

/// Payload of one request on the wire (BEP 3: every client of today asks for 16 KiB).
inline constexpr std::uint32_t kBlockSize = 16 * 1024;

class PieceIndex {
 public:
  constexpr PieceIndex() = default;
  constexpr explicit PieceIndex(std::uint32_t value) : value_(value) {}
  [[nodiscard]] constexpr std::uint32_t value() const { return value_; }
  friend constexpr auto operator<=>(const PieceIndex&, const PieceIndex&) = default;

 private:
  std::uint32_t value_ = 0;
};

/// The n-th 16 KiB block of a piece. Its offset and length come from Geometry (the last one may be shorter).
struct BlockRef {
  PieceIndex piece;
  std::uint32_t block = 0;
  friend constexpr auto operator<=>(const BlockRef&, const BlockRef&) = default;
};

/// What a remote asks for: any range inside one piece, at most kMaxRequest bytes, not empty.
struct BlockRange {
  PieceIndex piece;
  std::uint32_t begin = 0;
  std::uint32_t length = 0;
  friend constexpr auto operator<=>(const BlockRange&, const BlockRange&) = default;
};

}  // namespace lodestone::wire
