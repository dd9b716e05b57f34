// SPDX-License-Identifier: Apache-2.0
// Private to torrent*.cpp: the units of one torrent and the few facts that belong to none of them. torrent.cpp has the
// phases and the disk, torrent_peers.cpp the links and what they say, torrent_upkeep.cpp what time brings.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "magnet/swarm/checking.hpp"
#include "magnet/swarm/choker.hpp"
#include "magnet/swarm/download.hpp"
#include "magnet/swarm/metadata_exchange.hpp"
#include "magnet/swarm/peer.hpp"
#include "magnet/swarm/peer_pool.hpp"
#include "magnet/swarm/selection.hpp"
#include "magnet/swarm/serving.hpp"
#include "magnet/swarm/torrent.hpp"

namespace lodestone::magnet {

struct Torrent::State {
  State(wire::Instant now, TorrentConfig c, wire::Rng r);

  // --- phases (torrent.cpp) ---
  void enter(Phase next, Actions& out);
  void fail(storage::Trouble trouble, std::string bad_metadata, Actions& out);
  void metadata_ready(wire::Instant now, MetadataVerdict&& verdict, Actions& out);
  void open(wire::Instant now, Actions& out);
  void opened(wire::Instant now, storage::result::Opened&& r, Actions& out);
  void checked(wire::Instant now, Actions& out);
  void completed(wire::Instant now, Actions& out);
  void piece_had(wire::PieceIndex piece);
  void act_on(wire::Instant now, Download::Outcome&& outcome, Actions& out);
  [[nodiscard]] bool is_private() const { return info && info->is_private; }
  /// Links are wanted: not stopped, not failed, not finished for good.
  [[nodiscard]] bool lively() const;

  // --- links (torrent_peers.cpp) ---
  void close(Peer& peer, CloseReason reason, Actions& out);
  void close_all(CloseReason reason, Actions& out);
  void ban(const wire::Endpoint& culprit, Actions& out);
  void ready(wire::Instant now, Peer& peer, const wire::peer_event::Ready& e, Actions& out);
  void tell_pieces(Peer& peer, const wire::Bitfield* have, Actions& out);
  void grant_fast(Peer& peer, Actions& out);
  [[nodiscard]] wire::ExtensionHandshake our_extensions() const;
  void tell_extensions(Actions& out);
  void extensions(wire::Instant now, Peer& peer, wire::ExtensionHandshake&& handshake, Actions& out);
  void hear_own_address(const wire::ExtensionHandshake& handshake, const wire::Address& from);
  void hear(wire::Instant now, MetadataExchange::News&& news, Actions& out);
  struct Listener;  // one overload per peer event

  // --- time (torrent_upkeep.cpp) ---
  [[nodiscard]] bool dials() const;
  void dial(wire::Instant now, Actions& out);
  [[nodiscard]] bool slot_free() const;
  void choke_round(wire::Instant now, Actions& out);
  void gossip(wire::Instant now, Actions& out);
  void trim(wire::Instant now, Actions& out);
  void want_peers(wire::Instant now, Actions& out);
  void tick(wire::Instant now, Actions& out);
  /// Somebody may wait for memory or for room on the way to the network: look again soon.
  void pump_soon(wire::Instant now);
  void moved(wire::Instant now) { moved_at = now; }
  [[nodiscard]] std::size_t connected() const;
  [[nodiscard]] StallReason stall(wire::Instant now) const;

  TorrentConfig config;
  wire::Rng rng;
  Phase phase = Phase::metadata;
  bool started = false, stopping = false, failed = false, store_opened = false;

  PeerPool pool;
  PeerTable peers;
  MetadataExchange metadata;
  Serving serving;
  Choker choker;
  Checking checking;
  std::optional<Selection> selection;  // these two from the info dict on
  std::optional<Download> download;

  std::shared_ptr<const Info> info;
  std::function<std::vector<bool>(const Info&)> wanted;
  bool force = false;
  std::vector<wire::BlockRef> spilled;                               // from Opened, until checking is over
  wire::Bitfield no_pieces;                                          // what have() says before the geometry is known
  std::map<wire::Address, std::pair<wire::Address, int>> own_votes;  // what we are called: last voter and votes

  Rate down, up;
  std::uint64_t bytes_done = 0;
  std::uint64_t metadata_seen = 0;  // bytes held when it last grew
  wire::Instant moved_at;           // payload, metadata or a checked piece last came
  wire::Instant seen_at;            // the latest `now`: next_deadline() has none of its own
  wire::Instant tick_at, want_at, trim_at, pump_at = wire::kNever;
};

}  // namespace lodestone::magnet
