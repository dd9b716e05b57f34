// SPDX-License-Identifier: Apache-2.0
// A set of pieces, in the wire's bit order (BEP 3: bit 7 of byte 0 is piece 0).
// Invariant: spare bits of the last byte are zero; count() is kept, so all() and none() cost nothing.
#pragma once

#include <cassert>
#include <cstdint>
#include <optional>

#include "wire/base/bytes.hpp"
#include "wire/base/index.hpp"

namespace lodestone::wire {

class Bitfield {
 public:
  Bitfield() = default;
  explicit Bitfield(std::uint32_t size, bool value = false);
  /// nullopt unless the length is exactly ceil(size / 8) and the spare bits are zero (W2).
  [[nodiscard]] static std::optional<Bitfield> from_wire(Bytes raw, std::uint32_t size);

  [[nodiscard]] std::uint32_t size() const { return size_; }
  [[nodiscard]] std::uint32_t count() const { return count_; }
  [[nodiscard]] bool all() const { return count_ == size_; }
  [[nodiscard]] bool none() const { return count_ == 0; }
  [[nodiscard]] bool test(PieceIndex piece) const {
    assert(piece.value() < size_);
    return (bits_[piece.value() >> 3] >> (7 - (piece.value() & 7))) & 1;
  }
  /// Both return true when the bit changed.
  bool set(PieceIndex piece);
  bool reset(PieceIndex piece);
  void fill(bool value);
  [[nodiscard]] Bytes wire() const { return bits_; }

  /// True when other has a bit that this one lacks. Sizes must agree.
  [[nodiscard]] bool lacks_any_of(const Bitfield& other) const;

  friend bool operator==(const Bitfield&, const Bitfield&) = default;

 private:
  std::uint32_t size_ = 0;
  std::uint32_t count_ = 0;
  ByteVector bits_;
};

}  // namespace lodestone::wire
