// SPDX-License-Identifier: Apache-2.0
// The allowed-fast set of BEP 6: pieces that a peer may request while choked, the same ones whenever it comes back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "wire/base/endpoint.hpp"
#include "wire/base/id.hpp"
#include "wire/base/index.hpp"

namespace lodestone::wire {

/// `count` different pieces (all, if there are no more) for a peer at that address, in the order of the BEP. A v4
/// address counts by its /24. The BEP is silent about v6: there the /64 counts.
[[nodiscard]] std::vector<PieceIndex> allowed_fast_set(const Address& peer, const InfoHash& info_hash,
                                                       std::uint32_t piece_count, std::size_t count);

}  // namespace lodestone::wire
