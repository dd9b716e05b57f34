// SPDX-License-Identifier: Apache-2.0
#include "magnet/swarm/fast_grant.hpp"

#include <algorithm>

namespace lodestone::magnet {

bool FastGrant::covers(wire::PieceIndex piece) const {
  return std::find(pieces_.begin(), pieces_.end(), piece) != pieces_.end();
}

bool FastGrant::use(const wire::BlockRange& range) {
  if (!covers(range.piece)) return false;
  std::uint8_t& times = used_[{range.piece, range.begin / wire::kBlockSize}];
  if (times >= kTimes) return false;
  ++times;
  return true;
}

}  // namespace lodestone::magnet
