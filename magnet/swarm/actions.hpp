// SPDX-License-Identifier: Apache-2.0
// What a torrent wants done. Plain values, appended to a caller-owned Output in the call that caused them; the driver
// (node/drive/torrent_driver, tools/sim) carries them out in order.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "magnet/metadata_fetch.hpp"
#include "magnet/metainfo.hpp"
#include "storage/plan/job.hpp"
#include "wire/base/endpoint.hpp"
#include "wire/peer/peer_connection.hpp"

namespace lodestone::magnet {

enum class PeerSource : std::uint8_t { dht, pex, lsd, magnet, incoming };
inline constexpr std::size_t kPeerSources = 5;

enum class CloseReason : std::uint8_t {
  finished,
  not_needed,
  duplicate,
  banned,
  too_many,
  no_answer,
  protocol_error,
  remote_closed,
  io_error,
  shutting_down
};
[[nodiscard]] std::string_view describe(CloseReason r);

enum class DialError : std::uint8_t { refused, timed_out, unreachable, local };

/// Why nothing moves (cli.md). Each has a code (describe_code) and a test.
enum class StallReason : std::uint8_t {
  none,
  dht_unreachable,
  nobody_stores_hash,
  peers_unreachable,
  no_metadata,
  missing_pieces,
  all_choke,
  disk,
  limits
};
[[nodiscard]] std::string_view code(StallReason r);  // "dht-unreachable", "no-peers", ...

enum class Phase : std::uint8_t { metadata, opening, checking, downloading, seeding, stopped };

namespace action {
struct Dial {
  wire::Endpoint to;
  PeerSource source;
};
struct Close {
  LinkKey link;
  CloseReason reason;
};
struct Send {
  LinkKey link;
  wire::PeerMessage message;
};
struct SendPiece {
  LinkKey link;
  wire::BlockRange range;
  wire::Block block;
};
struct UnsendPiece {
  LinkKey link;
  wire::BlockRange range;
};
/// check_metadata() somewhere off the network thread (D5); its verdict comes back by on_metadata_checked().
struct CheckMetadata {
  MetadataCheck check;
};
/// The info dict is verified: the driver opens a file set for it, then tells every link the geometry.
struct MetadataReady {
  std::shared_ptr<const Info> info;
  wire::ByteVector raw;
};
struct Disk {
  storage::Job job;
};
/// A DHT lookup would help (start, few peers, stalled). The driver bounds how often.
struct WantPeers {};
/// DHT, PEX and LSD must stop now: the torrent is private (M6).
struct GoPrivate {};
struct PhaseChanged {
  Phase phase;
};
struct Finished {};  // every wanted piece is stored
/// Foreign content in the way (D3), unsafe path, no space ...: the torrent cannot go on by itself. `bad_metadata`, when
/// not empty: the info dict fits its hash but is no use (malformed, or of a kind that is not supported), in one line.
struct Failed {
  storage::Trouble trouble;
  std::string bad_metadata = {};
};
/// PORT (BEP 5): a DHT node to try.
struct DhtNode {
  wire::Endpoint node;
};
}  // namespace action

using Action = std::variant<action::Dial, action::Close, action::Send, action::SendPiece, action::UnsendPiece,
                            action::CheckMetadata, action::MetadataReady, action::Disk, action::WantPeers,
                            action::GoPrivate, action::PhaseChanged, action::Finished, action::Failed, action::DhtNode>;
using Actions = std::vector<Action>;

}  // namespace lodestone::magnet
