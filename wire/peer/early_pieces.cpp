// SPDX-License-Identifier: Apache-2.0
#include "wire/peer/early_pieces.hpp"

#include <utility>

namespace lodestone::wire {

bool EarlyPieces::add_have(std::uint32_t piece) {
  if (all_ == true) return true;
  if (bitfield_ && piece / 8 < bitfield_->size()) {
    std::uint8_t& byte = (*bitfield_)[piece / 8];
    byte = static_cast<std::uint8_t>(byte | (0x80u >> (piece % 8)));
    return true;
  }
  if (haves_.size() == limits_.haves) return false;
  haves_.push_back(piece);
  return true;
}

void EarlyPieces::add_allowed_fast(std::uint32_t piece) {
  if (allowed_fast_.size() < limits_.allowed_fast) allowed_fast_.push_back(piece);
}

std::expected<std::optional<Bitfield>, PeerError> EarlyPieces::pieces(const Geometry& geometry) const {
  if (!bitfield_ && !all_ && haves_.empty()) return std::nullopt;
  std::optional<Bitfield> out{std::in_place, geometry.piece_count(), all_.value_or(false)};
  if (bitfield_) out = Bitfield::from_wire(*bitfield_, geometry.piece_count());
  if (!out) return std::unexpected(PeerError::bitfield_invalid);
  for (const std::uint32_t raw : haves_) {
    const auto piece = geometry.piece(raw);
    if (!piece) return std::unexpected(PeerError::index_out_of_range);
    out->set(*piece);
  }
  return out;
}

std::size_t EarlyPieces::bytes() const {
  return (bitfield_ ? bitfield_->size() : 0) + sizeof(std::uint32_t) * (haves_.size() + allowed_fast_.size());
}

void EarlyPieces::clear() { *this = EarlyPieces{limits_}; }

}  // namespace lodestone::wire
