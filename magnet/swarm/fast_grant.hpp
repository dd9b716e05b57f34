// SPDX-License-Identifier: Apache-2.0
// The pieces one peer may request while we choke it (BEP 6), so that a newcomer has something to trade: a small fixed
// set, each block at most three times (W12). Pure; owned by the peer's record.
#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "wire/base/index.hpp"

namespace lodestone::magnet {

class FastGrant {
 public:
  static constexpr std::size_t kPieces = 10;
  static constexpr std::uint8_t kTimes = 3;
  /// A peer that has so many pieces itself is no newcomer.
  static constexpr std::uint32_t kNewcomer = 10;

  void grant(std::vector<wire::PieceIndex> pieces) { pieces_ = std::move(pieces); }
  [[nodiscard]] bool granted() const { return !pieces_.empty(); }
  [[nodiscard]] bool covers(wire::PieceIndex piece) const;
  /// Counts one more service of that block; false: not granted, or had three times.
  bool use(const wire::BlockRange& range);

 private:
  std::vector<wire::PieceIndex> pieces_;
  std::map<std::pair<wire::PieceIndex, std::uint32_t>, std::uint8_t> used_;  // by piece and 16 KiB block
};

}  // namespace lodestone::magnet
