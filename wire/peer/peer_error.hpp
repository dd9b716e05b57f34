// SPDX-License-Identifier: Apache-2.0
// Why a peer connection had to end through the peer's fault.
#pragma once

#include <cstdint>
#include <string_view>

namespace lodestone::wire {

enum class PeerError : std::uint8_t {
  handshake_timeout,
  idle_timeout,
  not_bittorrent,
  wrong_info_hash,
  connected_to_self,
  message_too_long,
  message_wrong_length,
  bitfield_not_first,
  bitfield_invalid,
  index_out_of_range,
  unexpected_message,
  extension_malformed,
  too_many_early_haves,
  flooding
};
[[nodiscard]] std::string_view describe(PeerError e);

}  // namespace lodestone::wire
