// SPDX-License-Identifier: Apache-2.0
#include "magnet/swarm/actions.hpp"

namespace lodestone::magnet {

std::string_view describe(CloseReason r) {
  switch (r) {
    case CloseReason::finished: return "finished";
    case CloseReason::not_needed: return "not needed";
    case CloseReason::duplicate: return "connected twice, or to ourselves";
    case CloseReason::banned: return "banned";
    case CloseReason::too_many: return "too many connections";
    case CloseReason::no_answer: return "no answer";
    case CloseReason::protocol_error: return "protocol error";
    case CloseReason::remote_closed: return "closed by the peer";
    case CloseReason::io_error: return "connection lost";
    case CloseReason::shutting_down: return "shutting down";
  }
  return "unknown";
}

std::string_view code(StallReason r) {
  switch (r) {
    case StallReason::none: return "none";
    case StallReason::dht_unreachable: return "dht-unreachable";
    case StallReason::nobody_stores_hash: return "no-peers";
    case StallReason::peers_unreachable: return "peers-unreachable";
    case StallReason::no_metadata: return "no-metadata";
    case StallReason::missing_pieces: return "missing-pieces";
    case StallReason::all_choke: return "choked";
    case StallReason::disk: return "disk";
    case StallReason::limits: return "limits";
  }
  return "unknown";
}

}  // namespace lodestone::magnet
