// SPDX-License-Identifier: Apache-2.0
// What a peer said it has before anybody knew how many pieces there are (W1): kept raw and bounded, judged when the
// geometry comes. Only peer_connection uses this; the length of a bitfield is checked there, before it is read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <vector>

#include "wire/base/bitfield.hpp"
#include "wire/base/bytes.hpp"
#include "wire/base/geometry.hpp"
#include "wire/peer/peer_error.hpp"

namespace lodestone::wire {

class EarlyPieces {
 public:
  struct Limits {
    std::uint32_t haves = 2'000;  // that are kept; one that a bitfield already has room for costs nothing
    std::uint32_t allowed_fast = 32;
  };
  explicit EarlyPieces(const Limits& limits) : limits_(limits) {}

  void set_bitfield(Bytes raw) { bitfield_.emplace(raw.begin(), raw.end()); }
  void set_all_or_none(bool all) { all_ = all; }
  /// False: one too many.
  [[nodiscard]] bool add_have(std::uint32_t piece);
  /// Those beyond the limit are forgotten.
  void add_allowed_fast(std::uint32_t piece);

  /// nullopt: the peer has said nothing.
  [[nodiscard]] std::expected<std::optional<Bitfield>, PeerError> pieces(const Geometry& geometry) const;
  [[nodiscard]] std::span<const std::uint32_t> allowed_fast() const { return allowed_fast_; }
  [[nodiscard]] std::size_t bytes() const;
  void clear();

 private:
  Limits limits_;
  std::optional<ByteVector> bitfield_;
  std::optional<bool> all_;
  std::vector<std::uint32_t> haves_;
  std::vector<std::uint32_t> allowed_fast_;
};

}  // namespace lodestone::wire
