// SPDX-License-Identifier: Apache-2.0
#include "magnet/swarm/selection.hpp"

#include <utility>

namespace lodestone::magnet {

Selection::Selection(const storage::Layout& layout, std::vector<bool> wanted)
    : layout_(&layout), files_(std::move(wanted)), pieces_(layout.geometry().piece_count()) {
  const auto count = static_cast<std::uint32_t>(layout.files().size());
  if (!files_.empty()) files_.resize(count, false);
  bool all = true;
  for (std::uint32_t f = 0; f < count; ++f) {
    if (layout.files()[f].pad) continue;
    if (!counts(f)) {
      all = false;
      continue;
    }
    total_ += layout.files()[f].size;
    const auto [first, last] = layout.pieces_of(f);
    for (std::uint32_t p = first; p <= last; ++p) pieces_.set(wire::PieceIndex{p});
  }
  // Pieces of nothing but padding belong to whoever wants everything: a seed has all pieces.
  if (all) {
    files_.clear();
    pieces_.fill(true);
  }
}

std::uint64_t Selection::bytes_in(wire::PieceIndex piece) const {
  std::vector<storage::FileSlice> slices;
  layout_->slices(layout_->geometry().offset(piece), layout_->geometry().length(piece), slices);
  std::uint64_t sum = 0;
  for (const storage::FileSlice& slice : slices)
    if (counts(slice.file)) sum += slice.length;
  return sum;
}

}  // namespace lodestone::magnet
