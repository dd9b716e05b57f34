// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "magnet/swarm/torrent_state.hpp"
#include "wire/peer/allowed_fast.hpp"

namespace lodestone::magnet {
namespace {

/// Two ends that dial each other at once must close the same link of the two; after that the older one stays.
constexpr wire::Duration kCrossing = std::chrono::seconds(10);
constexpr std::size_t kMaxVotes = 64;
constexpr int kVotesNeeded = 2;

}  // namespace

// --- links ---

void Torrent::on_peers_found(wire::Instant now, std::span<const wire::Endpoint> found, PeerSource source,
                             Actions& out) {
  State& s = *state_;
  if (s.stopping || (s.is_private() && source != PeerSource::magnet)) return;
  for (const wire::Endpoint& e : found) s.pool.add(now, e, source);
  s.dial(now, out);
}

void Torrent::add_own_endpoint(const wire::Endpoint& own) { state_->pool.add_own(own); }

bool Torrent::wants_link(const wire::Endpoint& remote) const {
  const State& s = *state_;
  return s.lively() && s.peers.size() < s.config.max_peers && !s.pool.banned(remote) && s.pool.has_room(remote.address);
}

void Torrent::on_link(wire::Instant now, LinkKey link, const wire::Endpoint& remote, bool incoming, Actions& out) {
  State& s = *state_;
  Peer& peer = s.peers.add(now, link, remote, incoming);
  const bool room = s.pool.has_room(remote.address) || !incoming;
  peer.source = s.pool.link_up(remote, incoming);
  peer.owns_entry = !incoming;
  if (!s.lively())
    s.close(peer, s.stopping ? CloseReason::shutting_down : CloseReason::not_needed, out);
  else if (s.pool.banned(remote))
    s.close(peer, CloseReason::banned, out);
  else if (s.peers.size() > s.config.max_peers || !room)
    s.close(peer, CloseReason::too_many, out);
}

void Torrent::on_dial_failed(wire::Instant now, const wire::Endpoint& to, DialError error, Actions& out) {
  state_->pool.dial_failed(now, to, error);
  state_->dial(now, out);
}

void Torrent::on_closed(wire::Instant now, LinkKey link, CloseReason reason, Actions& out) {
  State& s = *state_;
  Peer* peer = s.peers.find(link);
  if (peer == nullptr) return;
  peer->closing = true;
  if (s.download) s.download->on_gone(now, s.peers, *peer, out);
  s.hear(now, s.metadata.on_gone(now, *peer, out), out);
  s.pool.link_down(now, peer->remote.address, peer->owns_entry ? peer->listen : wire::Endpoint{}, reason,
                   peer->downloaded() > 0);
  if (!peer->we_choke) s.choker.hurry(now);
  s.peers.erase(link);
  s.dial(now, out);
}

void Torrent::State::close(Peer& peer, CloseReason reason, Actions& out) {
  if (std::exchange(peer.closing, true)) return;
  out.push_back(action::Close{peer.link, reason});
}

void Torrent::State::close_all(CloseReason reason, Actions& out) {
  for (const auto& peer : peers) close(*peer, reason, out);
}

void Torrent::State::ban(const wire::Endpoint& culprit, Actions& out) {
  pool.ban(culprit);
  for (const auto& peer : peers)
    if (peer->blamed_as(config.private_net) == culprit) close(*peer, CloseReason::banned, out);
}

void Torrent::State::ready(wire::Instant now, Peer& peer, const wire::peer_event::Ready& e, Actions& out) {
  peer.ready = true;
  peer.id = e.peer_id;
  peer.fast = e.fast;
  peer.extended = e.extended;
  peer.dht = e.dht;
  for (const auto& other : peers) {
    if (other.get() == &peer || other->closing || !other->ready || other->id != peer.id) continue;
    Peer* loser = &peer;
    if (other->incoming != peer.incoming && now - other->since < kCrossing) {
      const bool ours_stays = config.our_id > peer.id;
      loser = other->incoming == ours_stays ? other.get() : &peer;
    }
    close(*loser, CloseReason::duplicate, out);
    if (loser == &peer) return;
  }
  if (download) download->on_joined(peer);
  if (phase != Phase::opening) tell_pieces(peer, download ? &download->picker().have() : nullptr, out);
}

/// Bitfield, have-all or have-none: the first message. During `opening` nobody knows yet what to say; whoever was told
/// "nothing" in the metadata phase (null) gets what the disk turned up piece by piece.
void Torrent::State::tell_pieces(Peer& peer, const wire::Bitfield* have, Actions& out) {
  if (!std::exchange(peer.pieces_told, true)) {
    std::shared_ptr<const wire::Bitfield> copy;
    if (have != nullptr) copy = std::make_shared<const wire::Bitfield>(*have);
    out.push_back(action::Send{peer.link, wire::peer_message::Pieces{std::move(copy)}});
    return;
  }
  if (have == nullptr) return;
  for (std::uint32_t p = 0; p < have->size(); ++p)
    if (have->test(wire::PieceIndex{p}))
      out.push_back(action::Send{peer.link, wire::peer_message::Have{wire::PieceIndex{p}}});
}

/// W12: a newcomer may take a few pieces of ours though we choke it.
void Torrent::State::grant_fast(Peer& peer, Actions& out) {
  if (!peer.fast || peer.fast_grant.granted() || !peer.pieces_told || !download) return;
  const wire::Bitfield& have = download->picker().have();
  if (have.none() || peer.have.count() >= FastGrant::kNewcomer) return;
  std::vector<wire::PieceIndex> set =
      wire::allowed_fast_set(peer.remote.address, config.info_hash, have.size(), FastGrant::kPieces);
  std::erase_if(set, [&](wire::PieceIndex piece) { return !have.test(piece); });
  for (const wire::PieceIndex piece : set)
    out.push_back(action::Send{peer.link, wire::peer_message::AllowedFast{piece}});
  peer.fast_grant.grant(std::move(set));
}

wire::ExtensionHandshake Torrent::extensions() const { return state_->our_extensions(); }

wire::ExtensionHandshake Torrent::State::our_extensions() const {
  wire::ExtensionHandshake e = config.our_extensions;
  // 0 switches off what an earlier handshake may have switched on.
  e.ut_metadata = is_private() ? std::uint8_t{0} : wire::kOurUtMetadata;
  e.ut_pex = config.pex && !is_private() ? wire::kOurUtPex : std::uint8_t{0};
  e.request_queue = config.request_queue;
  e.metadata_size = metadata.served_size();
  if (phase == Phase::seeding) e.upload_only = true;
  return e;
}

// --- what they say ---

void Torrent::State::extensions(wire::Instant now, Peer& peer, wire::ExtensionHandshake&& handshake, Actions& out) {
  peer.extensions = std::move(handshake);
  if (peer.extensions.request_queue) peer.window.set_peer_queue(*peer.extensions.request_queue);
  const std::uint16_t port = peer.extensions.listen_port.value_or(0);
  if (peer.incoming && peer.listen.port == 0 && port != 0) {
    peer.listen = {peer.remote.address, port};
    peer.owns_entry = pool.learnt_listen_port(now, peer.listen);
    // A banned one that came back from another port.
    if (pool.banned(peer.listen)) return close(peer, CloseReason::banned, out);
  }
  hear_own_address(peer.extensions, peer.remote.address);
  hear(now, metadata.on_extensions(now, peer, out), out);
}

/// `yourip`: two different peers have to agree before we believe to know our own address.
void Torrent::State::hear_own_address(const wire::ExtensionHandshake& handshake, const wire::Address& from) {
  const std::uint16_t port = config.our_extensions.listen_port.value_or(0);
  if (!handshake.your_ip || port == 0) return;
  const auto it = own_votes.find(*handshake.your_ip);
  if (it == own_votes.end()) {
    if (own_votes.size() < kMaxVotes) own_votes.emplace(*handshake.your_ip, std::pair(from, 1));
    return;
  }
  auto& [voter, votes] = it->second;
  if (voter == from && !config.private_net) return;
  voter = from;
  if (++votes == kVotesNeeded) pool.add_own({*handshake.your_ip, port});
}

void Torrent::State::hear(wire::Instant now, MetadataExchange::News&& news, Actions& out) {
  for (const LinkKey liar : news.liars)
    if (const Peer* peer = peers.find(liar)) ban(peer->blamed_as(config.private_net), out);
  if (news.result) metadata_ready(now, *std::move(news.result), out);
}

/// What the wire says of pieces, it says after it was told the geometry, so `download` is there (MetadataReady).
struct Torrent::State::Listener {
  State& s;
  wire::Instant now;
  Peer& peer;
  Actions& out;

  void operator()(wire::peer_event::WantsTorrent&) {}  // the session's
  void operator()(wire::peer_event::Ready& e) { s.ready(now, peer, e, out); }
  void operator()(wire::peer_event::Extensions& e) { s.extensions(now, peer, std::move(e.handshake), out); }
  void operator()(wire::peer_event::Choke&) {
    if (s.download)
      s.download->on_choke(now, s.peers, peer, out);
    else
      peer.chokes_us = true;
  }
  void operator()(wire::peer_event::Unchoke&) {
    if (s.download)
      s.download->on_unchoke(now, s.peers, peer, out);
    else
      peer.chokes_us = false;
  }
  void operator()(wire::peer_event::Interested&) {
    peer.interested = true;
    if (peer.we_choke && s.slot_free()) s.choker.hurry(now);
  }
  void operator()(wire::peer_event::NotInterested&) {
    peer.interested = false;
    if (!peer.we_choke) s.choker.hurry(now);
  }
  void operator()(wire::peer_event::HasPieces& e) {
    if (!s.download) return;
    s.download->on_pieces(now, s.peers, peer, std::move(e.pieces), out);
    s.grant_fast(peer, out);
  }
  void operator()(wire::peer_event::Have& e) {
    if (s.download) s.download->on_have(now, s.peers, peer, e.piece, out);
  }
  void operator()(wire::peer_event::Request& e) {
    if (!s.download) return;
    s.serving.on_request(now, peer, e.range, s.download->picker().have(), out);
    s.pump_soon(now);
  }
  void operator()(wire::peer_event::Cancel& e) { s.serving.on_cancel(peer, e.range, out); }
  void operator()(wire::peer_event::BlockData& e) {
    s.down.add(now, e.block.size());
    if (s.download && s.download->on_block(now, s.peers, peer, e.ref, std::move(e.block), out)) s.moved(now);
  }
  void operator()(wire::peer_event::BlockWaste& e) {
    s.down.add(now, e.bytes);
    if (s.download) s.download->on_waste(e.bytes);
  }
  void operator()(wire::peer_event::Reject& e) {
    if (s.download) s.download->on_reject(now, s.peers, peer, e.range, out);
  }
  void operator()(wire::peer_event::AllowedFast& e) {
    if (s.download) s.download->on_allowed_fast(now, s.peers, peer, e.piece, out);
  }
  void operator()(wire::peer_event::Suggest&) {}  // a hint that rarest-first does not need
  void operator()(wire::peer_event::DhtPort& e) {
    if (e.port != 0 && !s.is_private()) out.push_back(action::DhtNode{{peer.remote.address, e.port}});
  }
  void operator()(wire::peer_event::Metadata& e) {
    s.hear(now, s.metadata.on_message(now, peer, std::move(e.message), out), out);
  }
  void operator()(wire::peer_event::Pex& e) {
    if (!s.config.pex || s.is_private()) return;
    const std::size_t n = peer.pex.admit(now, e.message.added.size());
    for (std::size_t i = 0; i < n; ++i) s.pool.add(now, e.message.added[i].endpoint, PeerSource::pex);
    s.dial(now, out);
  }
};

void Torrent::on_peer(wire::Instant now, LinkKey link, wire::PeerEvent&& event, Actions& out) {
  Peer* peer = state_->peers.find(link);
  if (peer == nullptr || peer->closing) return;
  std::visit(State::Listener{*state_, now, *peer, out}, event);
}

void Torrent::on_sent(wire::Instant now, LinkKey link, std::uint64_t payload_bytes) {
  State& s = *state_;
  Peer* peer = s.peers.find(link);
  if (peer == nullptr) return;
  s.up.add(now, payload_bytes);
  s.serving.on_sent(now, *peer, payload_bytes);
  if (s.serving.wants_pump()) s.pump_at = now;
}

void Torrent::State::tell_extensions(Actions& out) {
  for (const auto& peer : peers)
    if (peer->ready && peer->extended && !peer->closing)
      out.push_back(action::Send{peer->link, wire::peer_message::Extensions{our_extensions()}});
}

}  // namespace lodestone::magnet
