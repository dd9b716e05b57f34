// SPDX-License-Identifier: Apache-2.0
#include "magnet/swarm/rarity_order.hpp"

#include <cassert>
#include <utility>

namespace lodestone::magnet {

void RarityOrder::fill(std::vector<std::uint32_t> members, wire::Rng& rng) {
  assert(empty());
  order_ = std::move(members);
  rng.shuffle(order_);
  for (std::uint32_t i = 0; i < order_.size(); ++i) position_[order_[i]] = i;
  for (std::uint32_t& end : ends_) end = size();
}

/// Swaps two places.
void RarityOrder::move(std::uint32_t from, std::uint32_t to) {
  std::swap(order_[from], order_[to]);
  position_[order_[from]] = from;
  position_[order_[to]] = to;
}

void RarityOrder::insert(std::uint32_t piece, std::uint32_t availability) {
  assert(!contains(piece));
  if (ends_.size() <= availability) ends_.resize(availability + 1, size());
  order_.push_back(piece);
  std::uint32_t hole = size() - 1;
  position_[piece] = hole;
  // Each bucket above gives its first place and takes the next one at its end.
  for (std::uint32_t a = buckets() - 1; a > availability; --a) {
    const std::uint32_t first = bucket_begin(a);
    move(hole, first);
    hole = first;
    ++ends_[a];
  }
  ++ends_[availability];
}

void RarityOrder::erase(std::uint32_t piece, std::uint32_t availability) {
  assert(contains(piece));
  // Each bucket from its own on fills the hole with its last member; so the hole travels to the end.
  std::uint32_t hole = position_[piece];
  for (std::uint32_t a = availability; a < buckets(); ++a) {
    const std::uint32_t last = ends_[a] - 1;
    move(hole, last);
    hole = last;
    --ends_[a];
  }
  assert(hole == size() - 1);
  order_.pop_back();
  position_[piece] = kAbsent;
}

void RarityOrder::raise(std::uint32_t piece, std::uint32_t availability) {
  if (ends_.size() <= availability + 1) ends_.resize(availability + 2, size());
  const std::uint32_t last = ends_[availability] - 1;
  move(position_[piece], last);
  --ends_[availability];
}

void RarityOrder::lower(std::uint32_t piece, std::uint32_t availability) {
  assert(availability > 0);
  const std::uint32_t first = bucket_begin(availability);
  move(position_[piece], first);
  ++ends_[availability - 1];
}

}  // namespace lodestone::magnet
