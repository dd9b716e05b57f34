// SPDX-License-Identifier: Apache-2.0
// Pieces sorted by availability in buckets inside one flat array, so that a change of one piece's availability, a pick
// of a rare one and a removal are O(1) in the number of pieces (removal and insertion: O(buckets)).
// Invariant: bucket a occupies [ends_[a-1], ends_[a]) of order_; position_ inverts order_ for the members.
#pragma once

#include <cstdint>
#include <vector>

#include "wire/base/rng.hpp"

namespace lodestone::magnet {

class RarityOrder {
 public:
  static constexpr std::uint32_t kAbsent = 0xffffffff;

  explicit RarityOrder(std::uint32_t pieces) : position_(pieces, kAbsent), ends_(1, 0) {}

  /// All of `members`, none of which may be in yet, with availability 0, in random order.
  void fill(std::vector<std::uint32_t> members, wire::Rng& rng);
  void insert(std::uint32_t piece, std::uint32_t availability);
  void erase(std::uint32_t piece, std::uint32_t availability);
  /// The piece's availability was `availability` and is one more, one less.
  void raise(std::uint32_t piece, std::uint32_t availability);
  void lower(std::uint32_t piece, std::uint32_t availability);

  [[nodiscard]] bool contains(std::uint32_t piece) const { return position_[piece] != kAbsent; }
  [[nodiscard]] std::uint32_t size() const { return static_cast<std::uint32_t>(order_.size()); }
  [[nodiscard]] bool empty() const { return order_.empty(); }
  [[nodiscard]] std::uint32_t buckets() const { return static_cast<std::uint32_t>(ends_.size()); }
  [[nodiscard]] std::uint32_t bucket_begin(std::uint32_t a) const { return a == 0 ? 0 : ends_[a - 1]; }
  [[nodiscard]] std::uint32_t bucket_end(std::uint32_t a) const { return ends_[a]; }
  /// The member at that place of the order.
  [[nodiscard]] std::uint32_t at(std::uint32_t position) const { return order_[position]; }

 private:
  void move(std::uint32_t from, std::uint32_t to);

  std::vector<std::uint32_t> order_;
  std::vector<std::uint32_t> position_;
  std::vector<std::uint32_t> ends_;
};

}  // namespace lodestone::magnet
