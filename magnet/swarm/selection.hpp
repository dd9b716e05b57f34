// SPDX-License-Identifier: Apache-2.0
// Which files are wanted, and what that means in pieces and in bytes a person counts: payload of wanted files, without
// pads (BEP 47). Pure, immutable.
#pragma once

#include <cstdint>
#include <vector>

#include "storage/plan/layout.hpp"
#include "wire/base/bitfield.hpp"

namespace lodestone::magnet {

class Selection {
 public:
  /// `wanted`: per file; empty: all. Too short: the rest is not wanted. `layout` must outlive this.
  Selection(const storage::Layout& layout, std::vector<bool> wanted);

  /// Per file, as many as there are; what the disk is told. Empty: all.
  [[nodiscard]] const std::vector<bool>& files() const { return files_; }
  /// Pieces that have to be here for it.
  [[nodiscard]] const wire::Bitfield& pieces() const { return pieces_; }
  /// Wanted payload, bytes.
  [[nodiscard]] std::uint64_t total() const { return total_; }
  /// Wanted payload within one piece, bytes.
  [[nodiscard]] std::uint64_t bytes_in(wire::PieceIndex piece) const;

 private:
  [[nodiscard]] bool counts(std::uint32_t file) const {
    return (files_.empty() || files_[file]) && !layout_->files()[file].pad;
  }

  const storage::Layout* layout_;
  std::vector<bool> files_;
  wire::Bitfield pieces_;
  std::uint64_t total_ = 0;
};

}  // namespace lodestone::magnet
