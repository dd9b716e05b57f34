// SPDX-License-Identifier: Apache-2.0
#include "magnet/swarm/download.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace lodestone::magnet {
namespace {

/// After a reject without a choke the peer wants to be left alone for a moment.
constexpr wire::Duration kRejectPause = std::chrono::seconds(1);
/// An idle peer takes over a block if it is at least that much faster.
constexpr double kWorthIt = 2;
/// An idle peer that found nothing to take over looks again after that; looking costs more than picking.
constexpr wire::Duration kLookAgain = std::chrono::milliseconds(100);

/// Is it faster to ask this peer for a block than to wait for whoever was asked?
struct Judge {
  wire::Instant now;
  const PeerTable& peers;
  const Peer& peer;
  double mine;  // seconds until it would bring one more block

  [[nodiscard]] bool worth(wire::BlockRef ref, std::uint32_t first) const {
    if (peer.window.has(ref)) return false;
    const Peer* other = peers.find_slot(first);
    if (other == nullptr) return true;
    return mine * kWorthIt < other->window.expected_seconds(now, other->window.position(ref));
  }
};

}  // namespace

Download::Download(const wire::Geometry& geometry, DownloadConfig config, wire::Rng rng)
    : geometry_(geometry), config_(config), picker_(geometry, config.picker, std::move(rng)) {}

// --- what there is ---

void Download::begin(const wire::Bitfield& wanted, const wire::Bitfield& have, PeerTable& peers, Actions& out) {
  picker_.begin(wanted, have);
  for (const auto& peer : peers) {
    if (peer->have.size() != geometry_.piece_count()) continue;
    peer->interesting = picker_.interesting(peer->have);
    update_interest(*peer, out);
  }
}

void Download::resume(const std::vector<wire::BlockRef>& spilled, Actions& out) {
  if (!spilling()) return;
  for (const wire::BlockRef ref : spilled) {
    if (!picker_.missing().test(ref.piece)) continue;
    const std::uint32_t slot = picker_.slot(ref.piece);
    if (slot != PiecePicker::kNoSlot && buffer(ref.piece).has(ref)) continue;
    const bool complete = picker_.resumed(ref);
    storage::PieceBuffer& held = buffer(ref.piece);
    held.mark_spilled(ref);
    blame_.contributed(ref, held.block_count(), wire::Endpoint{});
    if (complete) store(ref.piece, held, out);
  }
}

void Download::start(wire::Instant now, PeerTable& peers, Actions& out) {
  active_ = true;
  request_all(now, peers, out);
}

void Download::found(wire::PieceIndex piece, PeerTable& peers, Actions& out) { had(piece, peers, out); }

/// A piece is had: whoever else has it is less interesting, everybody may know.
void Download::had(wire::PieceIndex piece, PeerTable& peers, Actions& out) {
  const bool was_missing = picker_.missing().test(piece);
  const std::uint32_t slot = picker_.slot(piece);
  if (slot != PiecePicker::kNoSlot && slot < buffers_.size()) buffers_[slot].reset();
  picker_.set_have(piece);
  for (const auto& peer : peers) {
    if (peer->closing || peer->have.size() != geometry_.piece_count()) continue;
    if (was_missing && peer->have.test(piece)) {
      --peer->interesting;
      update_interest(*peer, out);
    }
    if (peer->pieces_told && !peer->have.all())
      out.push_back(action::Send{peer->link, wire::peer_message::Have{piece}});
  }
}

// --- what peers have ---

void Download::on_joined(Peer& peer) { peer.have = wire::Bitfield(geometry_.piece_count()); }

void Download::on_pieces(wire::Instant now, PeerTable& peers, Peer& peer, wire::Bitfield&& pieces, Actions& out) {
  assert(pieces.size() == geometry_.piece_count());
  if (peer.seed_counted)
    picker_.remove_seed();
  else
    picker_.remove_pieces(peer.have);
  peer.have = std::move(pieces);
  peer.seed_counted = peer.have.all();
  if (peer.seed_counted)
    picker_.add_seed();
  else
    picker_.add_pieces(peer.have);
  peer.nothing_new = 0;
  peer.interesting = picker_.interesting(peer.have);
  update_interest(peer, out);
  request(now, peers, peer, out);
}

void Download::on_have(wire::Instant now, PeerTable& peers, Peer& peer, wire::PieceIndex piece, Actions& out) {
  if (peer.have.size() != geometry_.piece_count() || !peer.have.set(piece)) return;
  picker_.add_piece(piece);
  peer.nothing_new = 0;
  if (!picker_.missing().test(piece)) return;
  ++peer.interesting;
  update_interest(peer, out);
  request(now, peers, peer, out);
}

void Download::on_gone(wire::Instant now, PeerTable& peers, Peer& peer, Actions& out) {
  released_.clear();
  peer.window.clear(released_);
  release(peer, released_);
  picker_.forget(peer.link.slot);
  if (peer.have.size() == geometry_.piece_count()) {
    if (peer.seed_counted)
      picker_.remove_seed();
    else
      picker_.remove_pieces(peer.have);
  }
  peer.have = {};
  peer.interesting = 0;
  peer.seed_counted = false;
  request_all(now, peers, out);
}

void Download::update_interest(Peer& peer, Actions& out) const {
  const bool interested = peer.interesting > 0;
  if (interested == peer.we_are_interested || !peer.ready || peer.closing) return;
  peer.we_are_interested = interested;
  if (interested)
    out.push_back(action::Send{peer.link, wire::peer_message::Interested{}});
  else
    out.push_back(action::Send{peer.link, wire::peer_message::NotInterested{}});
}

// --- asking ---

void Download::request(wire::Instant now, PeerTable& peers, Peer& peer, Actions& out) {
  if (!active_ || peer.closing || peer.interesting == 0 || disk_.troubled() || now < peer.hold_until) return;
  const bool only_fast = peer.chokes_us;
  if ((only_fast && peer.allowed_fast.none()) || !peer.window.wants_refill()) return;

  const bool idle = peer.window.live() <= 1 && now >= peer.look_again_at;
  const Judge judge{now, peers, peer, idle ? peer.window.expected_seconds(now, peer.window.live()) : 0};
  // One reference: std::function must not allocate here.
  const std::function<bool(wire::BlockRef, std::uint32_t)> worth = [&judge](wire::BlockRef ref, std::uint32_t first) {
    return judge.worth(ref, first);
  };
  PiecePicker::Asker asker;
  asker.id = peer.link.slot;
  asker.pieces = only_fast ? &peer.allowed_fast : &peer.have;
  asker.nothing_new = only_fast ? &peer.nothing_fast : &peer.nothing_new;
  asker.seed = peer.seed_counted;
  asker.may_open = !pressed_;
  if (idle) asker.duplicates = std::max<std::size_t>(RequestWindow::kFloor, peer.window.size() / 4);
  asker.worth = &worth;

  picked_.clear();
  picker_.pick(asker, peer.window.room(), picked_);
  if (idle && picked_.empty()) peer.look_again_at = now + kLookAgain;
  for (const wire::BlockRef ref : picked_) {
    peer.window.sent(now, ref);
    out.push_back(action::Send{peer.link, wire::peer_message::Request{geometry_.range(ref)}});
  }
}

void Download::request_all(wire::Instant now, PeerTable& peers, Actions& out) {
  for (const auto& peer : peers) request(now, peers, *peer, out);
}

void Download::release(Peer& peer, const std::vector<wire::BlockRef>& refs) {
  for (const wire::BlockRef ref : refs) picker_.release(ref, peer.link.slot);
}

void Download::on_choke(wire::Instant now, PeerTable& peers, Peer& peer, Actions& out) {
  peer.chokes_us = true;
  picker_.forget(peer.link.slot);
  if (peer.fast) return;  // rejects follow (BEP 6)
  released_.clear();
  peer.window.clear(released_);
  release(peer, released_);
  request_all(now, peers, out);
}

void Download::on_unchoke(wire::Instant now, PeerTable& peers, Peer& peer, Actions& out) {
  peer.chokes_us = false;
  peer.hold_until = wire::Instant::min();
  request(now, peers, peer, out);
}

void Download::on_allowed_fast(wire::Instant now, PeerTable& peers, Peer& peer, wire::PieceIndex piece, Actions& out) {
  if (peer.allowed_fast.size() != geometry_.piece_count()) peer.allowed_fast = wire::Bitfield(geometry_.piece_count());
  // It counts only when the peer has the piece; peers announce these pieces after their bitfield.
  if (!peer.has(piece) || !peer.allowed_fast.set(piece)) return;
  peer.nothing_fast = 0;
  request(now, peers, peer, out);
}

void Download::on_reject(wire::Instant now, PeerTable& peers, Peer& peer, const wire::BlockRange& range, Actions& out) {
  const auto ref = geometry_.block(range.piece.value(), range.begin, range.length);
  if (!ref) return;
  if (peer.window.forget(*ref) != RequestWindow::Answer::asked) return;
  picker_.release(*ref, peer.link.slot);
  if (peer.chokes_us) {
    if (peer.allowed_fast.size() > 0) peer.allowed_fast.reset(range.piece);
  } else {
    peer.hold_until = now + kRejectPause;
  }
  request_all(now, peers, out);
}

void Download::cancel_others(PeerTable& peers, const Peer& but, wire::BlockRef ref, Actions& out) {
  for (const auto& other : peers) {
    if (other.get() == &but || other->window.forget(ref) != RequestWindow::Answer::asked) continue;
    if (!other->closing) out.push_back(action::Send{other->link, wire::peer_message::Cancel{geometry_.range(ref)}});
  }
}

bool Download::on_block(wire::Instant now, PeerTable& peers, Peer& peer, wire::BlockRef ref, wire::Block&& block,
                        Actions& out) {
  const std::uint32_t size = block.size();
  if (peer.window.received(now, ref, size) == RequestWindow::Answer::unasked) {
    wasted_ += size;
    return false;
  }
  // Only what we asked for earns a slot of ours (W8).
  peer.down.add(now, size);
  peer.moved_at = now;
  const PiecePicker::Arrival arrival = picker_.arrived(ref, peer.link.slot);
  if (!arrival.fresh) {
    wasted_ += size;
    request(now, peers, peer, out);
    return false;
  }
  if (arrival.others_asked) cancel_others(peers, peer, ref, out);

  storage::PieceBuffer& held = buffer(ref.piece);
  [[maybe_unused]] const bool put = held.put(ref, std::move(block));
  assert(put);
  blame_.contributed(ref, held.block_count(), peer.blamed_as(config_.private_net));
  if (spilling() && (held.held() >= kSpillRun || arrival.complete)) spill(held, out);
  if (arrival.complete && !spilling()) store(ref.piece, held, out);
  request(now, peers, peer, out);
  return true;
}

storage::PieceBuffer& Download::buffer(wire::PieceIndex piece) {
  const std::uint32_t slot = picker_.slot(piece);
  assert(slot != PiecePicker::kNoSlot);
  if (buffers_.size() <= slot) buffers_.resize(slot + 1);
  std::optional<storage::PieceBuffer>& held = buffers_[slot];
  if (!held || held->piece() != piece) held.emplace(piece, geometry_.block_count(piece));
  return *held;
}

void Download::store(wire::PieceIndex piece, storage::PieceBuffer& held, Actions& out) {
  if (spilling()) {
    disk_.submit(storage::job::StoreSpilled{piece, blame_.suspects(piece)}, out);
  } else {
    storing_bytes_ += geometry_.length(piece);
    disk_.submit(storage::job::StorePiece{piece, held.take(), blame_.suspects(piece)}, out);
  }
}

void Download::spill(storage::PieceBuffer& held, Actions& out) {
  if (held.held() == 0) return;
  storage::job::Spill job;
  held.take_held(job.refs, job.blocks);
  disk_.submit(std::move(job), out);
}

void Download::tick(wire::Instant now, PeerTable& peers, Actions& out) {
  std::uint64_t distant = 0;
  for (const auto& peer : peers) {
    released_.clear();
    peer->window.advance(now, released_);
    release(*peer, released_);
    released_.clear();
    peer->window.collect_late(now, released_);
    for (const wire::BlockRef ref : released_) picker_.mark_late(ref);
    distant += peer->window.distant_bytes(now);
  }
  picker_.set_distant(distant);
  if (const auto piece = picker_.hopeless()) {
    const std::uint32_t slot = picker_.slot(*piece);
    std::optional<storage::PieceBuffer>* held = slot < buffers_.size() ? &buffers_[slot] : nullptr;
    const bool has_buffer = held != nullptr && held->has_value();
    // A long piece's blocks first come to rest in the scratch file.
    if (!spilling() || !has_buffer || (*held)->held() + (*held)->leaving() == 0) {
      if (has_buffer) {
        wasted_ += (*held)->bytes_held() + std::uint64_t{(*held)->spilled()} * wire::kBlockSize;
        held->reset();
      }
      picker_.abandon(*piece);
    }
  }
  if (spilling() && !disk_.troubled())
    for (auto& held : buffers_)
      if (held) spill(*held, out);
  request_all(now, peers, out);
}

// --- disk ---

Download::Outcome Download::on_stored(wire::Instant now, PeerTable& peers, storage::result::PieceStored&& r,
                                      Actions& out) {
  Outcome outcome;
  outcome.stored = true;
  outcome.liars = blame_.good(r.piece, r.digests);
  r.blocks.clear();  // back to the pool before anything new is asked for
  const std::uint32_t length = geometry_.length(r.piece);
  if (!spilling()) storing_bytes_ -= std::min<std::uint64_t>(storing_bytes_, length);
  ++stored_;
  disk_.worked(now, length, out);
  had(r.piece, peers, out);
  request_all(now, peers, out);
  return outcome;
}

Download::Outcome Download::on_corrupt(wire::Instant now, PeerTable& peers, storage::result::PieceCorrupt&& r,
                                       Actions& out) {
  Outcome outcome;
  const std::uint32_t length = geometry_.length(r.piece);
  wasted_ += length;
  if (!spilling()) storing_bytes_ -= std::min<std::uint64_t>(storing_bytes_, length);
  // No digests: the scratch file has lost it, and nobody is to blame.
  const bool lost = r.digests.empty();
  if (lost) blame_.lost(r.piece);
  r.blocks.clear();
  outcome.liars = blame_.corrupt(r.piece, r.digests);
  if (picker_.slot(r.piece) != PiecePicker::kNoSlot) buffer(r.piece).clear();
  picker_.corrupt(r.piece, outcome.liars.empty() && !lost);
  // Bad content, but the disk did what it was asked.
  if (disk_.troubled()) disk_.worked(now, 0, out);
  // Whoever is to be banned must not be asked first: the torrent closes it, and on_gone() asks the others.
  if (outcome.liars.empty()) request_all(now, peers, out);
  return outcome;
}

void Download::on_failed(wire::Instant now, storage::result::PieceFailed&& r) {
  if (r.blocks.empty())
    disk_.failed(now, storage::job::StoreSpilled{r.piece, blame_.suspects(r.piece)}, std::move(r.trouble));
  else
    disk_.failed(now, storage::job::StorePiece{r.piece, std::move(r.blocks), blame_.suspects(r.piece)},
                 std::move(r.trouble));
}

void Download::on_spilled(wire::Instant now, PeerTable& peers, storage::result::Spilled&& r, Actions& out) {
  if (r.trouble) {
    disk_.failed(now, storage::job::Spill{std::move(r.refs), std::move(r.blocks)}, std::move(r.trouble));
    return;
  }
  r.blocks.clear();
  disk_.worked(now, 0, out);
  picker_.spilled(static_cast<std::uint32_t>(r.refs.size()));
  for (const wire::BlockRef ref : r.refs) {
    storage::PieceBuffer& held = buffer(ref.piece);
    held.mark_spilled(ref);
    if (held.all_spilled()) store(ref.piece, held, out);
  }
  request_all(now, peers, out);
}

// --- looking ---

std::uint64_t Download::unstored_bytes() const {
  std::uint64_t sum = storing_bytes_;
  for (const auto& held : buffers_)
    if (held) sum += held->bytes_held() + std::uint64_t{held->leaving()} * (spilling() ? wire::kBlockSize : 0);
  return sum;
}

void Download::check_invariants(const PeerTable& peers) const {
#ifndef NDEBUG
  picker_.check_invariants();
  for (const auto& peer : peers) {
    peer->window.check_invariants();
    if (peer->have.size() == geometry_.piece_count())
      assert(peer->interesting == picker_.interesting(peer->have) || !active_);
  }
  std::uint64_t held_blocks = 0;
  for (std::size_t slot = 0; slot < buffers_.size(); ++slot) {
    if (!buffers_[slot]) continue;
    assert(picker_.slot(buffers_[slot]->piece()) == slot);
    held_blocks += buffers_[slot]->held();
  }
  assert(held_blocks * wire::kBlockSize <= picker_.committed());
#else
  (void)peers;
#endif
}

}  // namespace lodestone::magnet
