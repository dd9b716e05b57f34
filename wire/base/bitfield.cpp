// SPDX-License-Identifier: Apache-2.0
#include "wire/base/bitfield.hpp"

#include <algorithm>
#include <bit>

namespace lodestone::wire {
namespace {

std::size_t bytes_for(std::uint32_t size) { return (std::size_t{size} + 7) / 8; }

std::uint8_t mask_of(PieceIndex piece) { return static_cast<std::uint8_t>(0x80u >> (piece.value() & 7)); }

/// The bits of the last byte that name pieces.
std::uint8_t last_byte_mask(std::uint32_t size) {
  return size % 8 == 0 ? std::uint8_t{0xff} : static_cast<std::uint8_t>(0xff00u >> (size % 8));
}

}  // namespace

Bitfield::Bitfield(std::uint32_t size, bool value) : size_(size), bits_(bytes_for(size)) {
  if (value) fill(true);
}

std::optional<Bitfield> Bitfield::from_wire(Bytes raw, std::uint32_t size) {
  if (raw.size() != bytes_for(size)) return std::nullopt;
  if (!raw.empty() && (raw.back() & ~last_byte_mask(size)) != 0) return std::nullopt;
  Bitfield out;
  out.size_ = size;
  out.bits_.assign(raw.begin(), raw.end());
  for (const std::uint8_t b : raw) out.count_ += static_cast<std::uint32_t>(std::popcount(b));
  return out;
}

bool Bitfield::set(PieceIndex piece) {
  assert(piece.value() < size_);
  std::uint8_t& byte = bits_[piece.value() >> 3];
  if ((byte & mask_of(piece)) != 0) return false;
  byte = static_cast<std::uint8_t>(byte | mask_of(piece));
  ++count_;
  return true;
}

bool Bitfield::reset(PieceIndex piece) {
  assert(piece.value() < size_);
  std::uint8_t& byte = bits_[piece.value() >> 3];
  if ((byte & mask_of(piece)) == 0) return false;
  byte = static_cast<std::uint8_t>(byte & ~mask_of(piece));
  --count_;
  return true;
}

void Bitfield::fill(bool value) {
  std::fill(bits_.begin(), bits_.end(), value ? std::uint8_t{0xff} : std::uint8_t{0});
  if (value && !bits_.empty()) bits_.back() = last_byte_mask(size_);
  count_ = value ? size_ : 0;
}

bool Bitfield::lacks_any_of(const Bitfield& other) const {
  assert(size_ == other.size_);
  if (other.none() || all()) return false;
  for (std::size_t i = 0; i < bits_.size(); ++i)
    if ((other.bits_[i] & ~bits_[i]) != 0) return true;
  return false;
}

}  // namespace lodestone::wire
