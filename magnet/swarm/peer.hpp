// SPDX-License-Identifier: Apache-2.0
// What the torrent knows of one linked peer: both ends' choke and interest, its pieces, what was asked of it, what it
// asked, what it gave. A record that the units read and write; it decides nothing. PeerTable names records by LinkKey.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "magnet/swarm/actions.hpp"
#include "magnet/swarm/fast_grant.hpp"
#include "magnet/swarm/pex.hpp"
#include "magnet/swarm/rate.hpp"
#include "magnet/swarm/request_window.hpp"
#include "magnet/swarm/upload_queue.hpp"
#include "wire/base/bitfield.hpp"
#include "wire/base/token_bucket.hpp"

namespace lodestone::magnet {

struct Peer {
  Peer(wire::Instant now, LinkKey key, const wire::Endpoint& remote_endpoint, bool is_incoming)
      : link(key), remote(remote_endpoint), incoming(is_incoming), since(now), choke_changed(now), moved_at(now) {
    if (!is_incoming) listen = remote_endpoint;
  }

  // --- who it is ---
  LinkKey link;
  wire::Endpoint remote;
  wire::Endpoint listen;    // where it can be dialled; port 0: not known
  bool owns_entry = false;  // it is the link of the pool's entry `listen`
  PeerSource source = PeerSource::incoming;
  bool incoming;
  wire::Instant since;
  wire::PeerId id;
  wire::ExtensionHandshake extensions;
  bool ready = false, fast = false, extended = false, dht = false;
  bool closing = false;  // Close was said; nothing it says counts any more

  // --- what it has ---
  bool pieces_told = false;       // our Pieces message went out
  bool seed_counted = false;      // the picker counts it among the seeds
  wire::Bitfield have;            // empty until the geometry is known
  std::uint32_t interesting = 0;  // pieces it has that we want and lack
  std::uint64_t nothing_new = 0;  // the picker's memory of `have`; see piece_picker

  // --- who may ---
  bool chokes_us = true, we_choke = true, interested = false, we_are_interested = false;
  wire::Instant choke_changed;                      // when that last changed: since when it may download, or waits
  wire::Bitfield allowed_fast;                      // pieces we may ask for while choked (BEP 6); empty: none
  std::uint64_t nothing_fast = 0;                   // the picker's memory of those
  wire::Instant hold_until = wire::Instant::min();  // it rejected while it did not choke: no requests until then

  wire::Instant look_again_at = wire::Instant::min();  // for blocks of others that it could bring sooner

  // --- what flows ---
  RequestWindow window;
  UploadQueue uploads;
  FastGrant fast_grant;  // what it may take though we choke it
  Rate down, up;
  wire::Instant moved_at;  // payload last came in or went out, or it was last of use
  PexState pex;
  wire::TokenBucket metadata_requests{8, 64};  // info dict pieces we serve it
  [[nodiscard]] std::uint64_t downloaded() const { return down.total(); }
  [[nodiscard]] std::uint64_t uploaded() const { return up.total(); }

  [[nodiscard]] bool has(wire::PieceIndex piece) const { return piece.value() < have.size() && have.test(piece); }
  /// How it is named when blocks are blamed on it, and banned: its address answers for all its ports, except in a
  /// private net, where several peers share one.
  [[nodiscard]] wire::Endpoint blamed_as(bool private_net) const {
    if (!private_net) return {remote.address, 0};
    return listen.port != 0 ? listen : remote;
  }
  [[nodiscard]] bool is_seed() const {
    return (have.size() > 0 && have.all()) || extensions.upload_only.value_or(false);
  }
};

/// Records in order of arrival; found by LinkKey in O(1). Addresses of records are stable while they live.
class PeerTable {
 public:
  Peer& add(wire::Instant now, LinkKey link, const wire::Endpoint& remote, bool incoming);
  [[nodiscard]] Peer* find(LinkKey link);
  [[nodiscard]] const Peer* find(LinkKey link) const { return const_cast<PeerTable*>(this)->find(link); }
  [[nodiscard]] const Peer* find_slot(std::uint32_t slot) const {
    return slot < by_slot_.size() && by_slot_[slot] != kNone ? peers_[by_slot_[slot]].get() : nullptr;
  }
  void erase(LinkKey link);
  [[nodiscard]] std::size_t size() const { return peers_.size(); }

  [[nodiscard]] auto begin() { return peers_.begin(); }
  [[nodiscard]] auto end() { return peers_.end(); }
  [[nodiscard]] auto begin() const { return peers_.begin(); }
  [[nodiscard]] auto end() const { return peers_.end(); }

 private:
  static constexpr std::uint32_t kNone = 0xffffffff;
  std::vector<std::unique_ptr<Peer>> peers_;
  std::vector<std::uint32_t> by_slot_;  // position in peers_ by LinkKey::slot
};

}  // namespace lodestone::magnet
