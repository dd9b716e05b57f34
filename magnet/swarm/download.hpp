// SPDX-License-Identifier: Apache-2.0
// The way of a block: asked of a peer (piece_picker says which, request_window how many), received, assembled in its
// piece_buffer, stored as a whole piece; and when the piece is bad, blame. Owns these units and the order in which they
// hear of things; the decisions are theirs.
// Invariant: the picker's open and storing pieces are the ones that have a buffer as soon as they have a block; every
// block that the picker calls asked is in the window of the peers it was asked of.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "magnet/swarm/actions.hpp"
#include "magnet/swarm/blame.hpp"
#include "magnet/swarm/disk_work.hpp"
#include "magnet/swarm/peer.hpp"
#include "magnet/swarm/piece_picker.hpp"
#include "storage/plan/piece_buffer.hpp"

namespace lodestone::magnet {

struct DownloadConfig {
  PickerConfig picker;
  bool private_net = false;  // several peers share an address: an endpoint answers for itself alone
};

class Download {
 public:
  /// Held blocks of a long piece go to the scratch file in runs of that many.
  static constexpr std::uint32_t kSpillRun = 32;

  Download(const wire::Geometry& geometry, DownloadConfig config, wire::Rng rng);

  // --- what there is ---
  void begin(const wire::Bitfield& wanted, const wire::Bitfield& have, PeerTable& peers, Actions& out);
  /// Blocks in the scratch file from an earlier run; long pieces only, others are ignored.
  void resume(const std::vector<wire::BlockRef>& spilled, Actions& out);
  /// From now on blocks are asked for.
  void start(wire::Instant now, PeerTable& peers, Actions& out);
  [[nodiscard]] const PiecePicker& picker() const { return picker_; }
  [[nodiscard]] const wire::Geometry& geometry() const { return geometry_; }
  /// Verified on disk without our doing (a checked piece).
  void found(wire::PieceIndex piece, PeerTable& peers, Actions& out);

  // --- what peers have ---
  void on_joined(Peer& peer);  // the geometry is known: it starts with no pieces
  void on_pieces(wire::Instant now, PeerTable& peers, Peer& peer, wire::Bitfield&& pieces, Actions& out);
  void on_have(wire::Instant now, PeerTable& peers, Peer& peer, wire::PieceIndex piece, Actions& out);
  void on_gone(wire::Instant now, PeerTable& peers, Peer& peer, Actions& out);

  // --- asking ---
  void on_choke(wire::Instant now, PeerTable& peers, Peer& peer, Actions& out);
  void on_unchoke(wire::Instant now, PeerTable& peers, Peer& peer, Actions& out);
  void on_allowed_fast(wire::Instant now, PeerTable& peers, Peer& peer, wire::PieceIndex piece, Actions& out);
  void on_reject(wire::Instant now, PeerTable& peers, Peer& peer, const wire::BlockRange& range, Actions& out);
  /// True when it was of use.
  bool on_block(wire::Instant now, PeerTable& peers, Peer& peer, wire::BlockRef ref, wire::Block&& block, Actions& out);
  void on_waste(std::uint64_t bytes) { wasted_ += bytes; }
  void set_pressure(bool pressed) { pressed_ = pressed; }
  /// Snubs, late requests, retries; call about twice a second.
  void tick(wire::Instant now, PeerTable& peers, Actions& out);

  // --- disk ---
  struct Outcome {
    std::vector<wire::Endpoint> liars;  // to be banned (W3)
    bool stored = false;                // one more piece is had
  };
  [[nodiscard]] Outcome on_stored(wire::Instant now, PeerTable& peers, storage::result::PieceStored&& r, Actions& out);
  [[nodiscard]] Outcome on_corrupt(wire::Instant now, PeerTable& peers, storage::result::PieceCorrupt&& r,
                                   Actions& out);
  void on_failed(wire::Instant now, storage::result::PieceFailed&& r);
  void on_spilled(wire::Instant now, PeerTable& peers, storage::result::Spilled&& r, Actions& out);
  void on_synced(wire::Instant now, const storage::result::Synced& r) { disk_.synced(now, r.trouble); }
  void advance_disk(wire::Instant now, Actions& out) { disk_.advance(now, out); }
  [[nodiscard]] const DiskWork& disk() const { return disk_; }

  // --- looking ---
  [[nodiscard]] std::uint64_t wasted() const { return wasted_; }
  [[nodiscard]] std::uint64_t stored_pieces() const { return stored_; }
  /// Received and not yet on disk: what a crash would lose now (D4).
  [[nodiscard]] std::uint64_t unstored_bytes() const;
  void check_invariants(const PeerTable& peers) const;

 private:
  [[nodiscard]] storage::PieceBuffer& buffer(wire::PieceIndex piece);
  void request(wire::Instant now, PeerTable& peers, Peer& peer, Actions& out);
  void request_all(wire::Instant now, PeerTable& peers, Actions& out);
  void release(Peer& peer, const std::vector<wire::BlockRef>& refs);
  void cancel_others(PeerTable& peers, const Peer& but, wire::BlockRef ref, Actions& out);
  void store(wire::PieceIndex piece, storage::PieceBuffer& held, Actions& out);
  void spill(storage::PieceBuffer& held, Actions& out);
  void update_interest(Peer& peer, Actions& out) const;
  void had(wire::PieceIndex piece, PeerTable& peers, Actions& out);
  [[nodiscard]] bool spilling() const { return geometry_.piece_length() > storage::kMemoryPieceLimit; }

  wire::Geometry geometry_;
  DownloadConfig config_;
  PiecePicker picker_;
  Blame blame_;
  DiskWork disk_;
  std::vector<std::optional<storage::PieceBuffer>> buffers_;  // by the picker's slot
  std::vector<wire::BlockRef> picked_, released_;             // scratch
  std::uint64_t wasted_ = 0, stored_ = 0, storing_bytes_ = 0;
  bool active_ = false, pressed_ = false;
};

}  // namespace lodestone::magnet
