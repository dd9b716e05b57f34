// SPDX-License-Identifier: Apache-2.0
// One torrent: a router over small units that each own one decision (peer_pool, peer, request_window, piece_picker,
// choker, pex, blame, metadata_fetch). Facts in, actions out; no sockets, files, clock or threads. Blocks are moved,
// never copied. It names peers by LinkKey and holds no pointer to anything of the driver's. Invariant: every block is
// in at most one place: free, requested, received (piece buffer), on its way to disk, stored. If this file's .cpp
// contains a loop over pieces, a comparison of rates or a bencode call, that line lives in the wrong room.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "magnet/swarm/actions.hpp"
#include "wire/base/rng.hpp"

namespace lodestone::magnet {

struct TorrentConfig {
  wire::InfoHash info_hash;
  wire::PeerId our_id;
  wire::ExtensionHandshake our_extensions;  // v, p, reqq; the torrent fills in ids, metadata_size, upload_only
  wire::AddressPolicy policy;               // which addresses may be dialled (S5)
  bool private_net = false;                 // lifts the per-address cap (W12)
  bool pex = true;
  bool sequential = false;
  bool seed_after = false;     // go on serving when finished
  bool metadata_only = false;  // stop when the info dict is there
  std::size_t max_peers = 80;
  std::size_t max_half_open = 30;
  double dials_per_second = 30;
  std::size_t upload_slots = 8;
  std::uint32_t request_queue = 500;  // reqq we announce and hold peers to (W12)
  std::uint64_t unstored_limit = storage::kUnstoredLimit;
  /// Shared by all torrents (M1), must outlive this one; null: one of its own.
  MetadataBudget* metadata_budget = nullptr;
};

struct PeerInfo {
  LinkKey link;
  wire::Endpoint endpoint;
  PeerSource source;
  bool incoming = false, choking_us = true, interested = false, we_choke = true, we_are_interested = false,
       snubbed = false;
  double rate_down = 0, rate_up = 0;  // bytes/s
  std::uint64_t downloaded = 0, uploaded = 0;
  double progress = 0;  // 0..1 of what it has
  std::string client;
};

struct TorrentStatus {
  Phase phase = Phase::metadata;
  bool complete = false;          // every piece is there, wanted or not: a seed (BEP 33)
  std::uint64_t bytes_total = 0;  // wanted payload (without pads)
  std::uint64_t bytes_done = 0;   // of those, verified and written
  std::uint64_t downloaded = 0;   // payload bytes received in this run
  std::uint64_t uploaded = 0;
  std::uint64_t wasted = 0;           // W4
  std::uint64_t verified_pieces = 0;  // stored in this run
  double rate_down = 0, rate_up = 0;  // bytes/s
  std::size_t connected = 0, half_open = 0, seen = 0;
  std::array<std::size_t, kPeerSources> seen_by_source{};
  std::size_t dial_refused = 0, dial_timed_out = 0;
  std::uint64_t metadata_done = 0, metadata_total = 0;
  StallReason stall = StallReason::none;  // judged over the last 15 s; the DHT's part is the driver's to add
};

class Torrent {
 public:
  Torrent(wire::Instant now, TorrentConfig config, wire::Rng rng);
  ~Torrent();
  Torrent(Torrent&&) noexcept;

  /// First call. With an info dict (resume, .torrent file) the metadata phase is skipped. `unfinished_metadata` from an
  /// earlier run's save_metadata() (M6). `wanted`: decides on the files once they are known; empty function: all.
  void start(wire::Instant now, std::shared_ptr<const Info> info, wire::ByteVector raw_info,
             wire::Bytes unfinished_metadata, std::function<std::vector<bool>(const Info&)> wanted, bool force,
             Actions& out);

  // --- peers ---
  /// What a link says of us (PeerConnectionConfig::our_extensions, adopt()): ids, v, p, reqq, metadata_size when it is
  /// known and not private, upload_only. Links that are up hear of changes by Send actions.
  [[nodiscard]] wire::ExtensionHandshake extensions() const;
  /// May an incoming link from there join? Asked before adopt().
  [[nodiscard]] bool wants_link(const wire::Endpoint& remote) const;
  /// An endpoint at which others would reach ourselves: it is never dialled (W9). Peers that tell us our address are
  /// heard, too.
  void add_own_endpoint(const wire::Endpoint& own);
  void on_peers_found(wire::Instant now, std::span<const wire::Endpoint> peers, PeerSource source, Actions& out);
  /// A link was accepted or dialled and its handshake is complete: events follow by on_peer, Ready first.
  /// `remote` is the TCP endpoint; for incoming links the listen port is learnt from the extension handshake.
  void on_link(wire::Instant now, LinkKey link, const wire::Endpoint& remote, bool incoming, Actions& out);
  void on_dial_failed(wire::Instant now, const wire::Endpoint& to, DialError error, Actions& out);
  void on_peer(wire::Instant now, LinkKey link, wire::PeerEvent&& event, Actions& out);
  void on_closed(wire::Instant now, LinkKey link, CloseReason reason, Actions& out);
  /// Payload really written to that link's socket.
  void on_sent(wire::Instant now, LinkKey link, std::uint64_t payload_bytes);

  /// Of a CheckMetadata action.
  void on_metadata_checked(wire::Instant now, MetadataVerdict&& verdict, Actions& out);

  // --- disk ---
  void on_storage(wire::Instant now, storage::Result&& result, Actions& out);
  /// The driver could not submit any more (queue full) or can again: no new pieces are opened while under pressure.
  void set_disk_pressure(bool pressed);
  /// Blocks for answering requests come from here; set before start().
  void set_block_pool(wire::BlockPool* pool);

  // --- time ---
  void advance(wire::Instant now, Actions& out);
  [[nodiscard]] wire::Instant next_deadline() const;

  /// Closes links and the store; phase becomes stopped when the Closed result is back.
  void stop(wire::Instant now, Actions& out);

  // --- looking ---
  [[nodiscard]] TorrentStatus status(wire::Instant now) const;
  [[nodiscard]] std::vector<PeerInfo> peers(wire::Instant now) const;
  [[nodiscard]] const Info* info() const;  // null until known
  /// What connections are told. Null until known, and for an info dict without v1 pieces, which cannot be downloaded.
  [[nodiscard]] const wire::Geometry* geometry() const;
  [[nodiscard]] const wire::Bitfield& have() const;
  [[nodiscard]] wire::ByteVector save_metadata() const;
  void check_invariants() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lodestone::magnet
