// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "magnet/swarm/stall.hpp"
#include "magnet/swarm/torrent_state.hpp"

namespace lodestone::magnet {
namespace {

using namespace std::chrono_literals;

constexpr wire::Duration kTick = 500ms;   // with links
constexpr wire::Duration kIdleTick = 5s;  // without
constexpr wire::Duration kWantEvery = 15s;
constexpr std::size_t kEnoughPeers = 20;  // with so many links nobody needs to be looked for
constexpr wire::Duration kTrimEvery = 30s;
constexpr wire::Duration kUseless = 60s;
constexpr wire::Duration kMemoryRetry = 10ms;

}  // namespace

void Torrent::advance(wire::Instant now, Actions& out) {
  State& s = *state_;
  if (!s.started || s.phase == Phase::stopped || s.stopping) return;
  s.hear(now, s.metadata.advance(now, out), out);
  if (s.phase == Phase::stopped) return;
  s.checking.advance(now, out);
  if (s.download) s.download->advance_disk(now, out);
  if (now >= s.pump_at) {
    s.pump_at = wire::kNever;
    s.serving.pump(now, s.peers, out);
    s.pump_soon(now);
  }
  if (now >= s.choker.next_round()) s.choke_round(now, out);
  if (now >= s.tick_at) s.tick(now, out);
  s.dial(now, out);
}

wire::Instant Torrent::next_deadline() const {
  State& s = *state_;
  if (!s.started || s.phase == Phase::stopped || s.stopping) return wire::kNever;
  wire::Instant at = std::min({s.tick_at, s.metadata.next_deadline(), s.checking.next_deadline(), s.pump_at});
  if (s.download) at = std::min(at, s.download->disk().next_deadline());
  if (s.peers.size() > 0) at = std::min(at, s.choker.next_round());
  if (s.dials()) at = std::min(at, s.pool.next_deadline(s.seen_at, s.config.max_peers - s.peers.size()));
  return at;
}

void Torrent::State::pump_soon(wire::Instant now) {
  if (serving.wants_pump()) pump_at = std::min(pump_at, now + kMemoryRetry);
}

void Torrent::State::tick(wire::Instant now, Actions& out) {
  tick_at = now + (peers.size() > 0 ? kTick : kIdleTick);
  if (!metadata.known() && metadata.fetch().bytes_held() > metadata_seen) {
    metadata_seen = metadata.fetch().bytes_held();
    moved(now);
  }
  if (download) download->tick(now, peers, out);
  gossip(now, out);
  trim(now, out);
  want_peers(now, out);
}

// --- links to make and to end ---

bool Torrent::State::dials() const { return lively() && phase != Phase::opening && peers.size() < config.max_peers; }

void Torrent::State::dial(wire::Instant now, Actions& out) {
  seen_at = std::max(seen_at, now);
  if (!dials()) return;
  while (auto dial = pool.next_dial(now, config.max_peers - peers.size())) out.push_back(*dial);
  if (peers.size() > 0 || pool.half_open() > 0) tick_at = std::min(tick_at, now + kTick);
}

void Torrent::State::want_peers(wire::Instant now, Actions& out) {
  if ((phase != Phase::metadata && phase != Phase::downloading) || failed || is_private() || now < want_at) return;
  if (peers.size() + pool.half_open() >= std::min(kEnoughPeers, config.max_peers)) return;
  want_at = now + kWantEvery;
  out.push_back(action::WantPeers{});
}

void Torrent::State::trim(wire::Instant now, Actions& out) {
  if (phase == Phase::seeding && config.seed_after)
    for (const auto& peer : peers)
      if (peer->ready && peer->is_seed()) close(*peer, CloseReason::not_needed, out);
  // Full of links that lead nowhere while others wait: let one go.
  if (now < trim_at || peers.size() < config.max_peers || pool.known() <= peers.size()) return;
  trim_at = now + kTrimEvery;
  Peer* worst = nullptr;
  for (const auto& peer : peers) {
    if (peer->closing || now - std::max(peer->moved_at, peer->since) < kUseless) continue;
    if (peer->interesting > 0 && !peer->chokes_us && !peer->window.snubbed()) continue;
    if (peer->interested && !peer->we_choke) continue;
    if (worst == nullptr || peer->moved_at < worst->moved_at) worst = peer.get();
  }
  if (worst != nullptr) close(*worst, CloseReason::not_needed, out);
}

void Torrent::State::gossip(wire::Instant now, Actions& out) {
  if (!config.pex || is_private() || failed) return;
  std::vector<wire::PexPeer> known;
  bool built = false;
  for (const auto& peer : peers) {
    if (!peer->ready || peer->closing || peer->extensions.ut_pex.value_or(0) == 0 || !peer->pex.due(now)) continue;
    if (!std::exchange(built, true)) {
      for (const auto& p : peers) {
        if (!p->ready || p->closing || p->listen.port == 0) continue;
        wire::PexPeer entry{p->listen, 0};
        if (p->is_seed()) entry.flags |= wire::PexPeer::kSeed;
        if (!p->incoming) entry.flags |= wire::PexPeer::kOutgoing;
        known.push_back(entry);
      }
      std::sort(known.begin(), known.end(),
                [](const wire::PexPeer& a, const wire::PexPeer& b) { return a.endpoint < b.endpoint; });
    }
    if (auto message = peer->pex.next(now, known, peer->listen))
      out.push_back(action::Send{peer->link, wire::peer_message::Pex{*std::move(message)}});
  }
}

// --- whom we serve ---

bool Torrent::State::slot_free() const {
  const auto served = std::count_if(peers.begin(), peers.end(),
                                    [](const auto& p) { return !p->we_choke && p->interested && !p->closing; });
  return static_cast<std::size_t>(served) < choker.slots();
}

void Torrent::State::choke_round(wire::Instant now, Actions& out) {
  std::vector<ChokeCandidate> candidates;
  for (const auto& peer : peers) {
    if (!peer->ready || peer->closing || !peer->interested) continue;
    candidates.push_back({.link = peer->link,
                          .unchoked = !peer->we_choke,
                          .snubs_us = peer->window.snubbed(),
                          .rate_down = peer->down.per_second(now),
                          .rate_up = peer->up.per_second(now),
                          .unchoked_since = peer->choke_changed,
                          .waiting_since = peer->choke_changed,
                          .connected_since = peer->since});
  }
  const std::vector<LinkKey> chosen = choker.choose(now, candidates, phase == Phase::seeding);
  for (const auto& peer : peers) {
    const bool choke = std::find(chosen.begin(), chosen.end(), peer->link) == chosen.end();
    if (choke == peer->we_choke || !peer->ready || peer->closing) continue;
    peer->we_choke = choke;
    peer->choke_changed = now;
    if (choke) {
      out.push_back(action::Send{peer->link, wire::peer_message::Choke{}});
      serving.on_choked(*peer, out);
    } else {
      out.push_back(action::Send{peer->link, wire::peer_message::Unchoke{}});
    }
  }
}

// --- looking ---

std::size_t Torrent::State::connected() const {
  return static_cast<std::size_t>(
      std::count_if(peers.begin(), peers.end(), [](const auto& p) { return p->ready && !p->closing; }));
}

StallReason Torrent::State::stall(wire::Instant now) const {
  SwarmFacts f;
  f.phase = failed ? Phase::stopped : phase;
  f.quiet = now - moved_at;
  f.disk_trouble = checking.trouble() || (download && download->disk().troubled());
  f.known = pool.known();
  f.connected = connected();
  f.max_peers = config.max_peers;
  f.dials_failed = pool.refused() + pool.timed_out();
  f.metadata_sources = metadata.fetch().sources();
  for (const auto& peer : peers) {
    if (peer->closing || peer->interesting == 0) continue;
    ++f.interesting;
    f.unchoked_us += !peer->chokes_us;
  }
  f.budget_blocked = download && download->picker().blocked_by_limit();
  return judge(f);
}

TorrentStatus Torrent::status(wire::Instant now) const {
  const State& s = *state_;
  TorrentStatus t;
  t.phase = s.phase;
  t.bytes_done = s.bytes_done;
  t.downloaded = s.down.total();
  t.uploaded = s.up.total();
  t.rate_down = s.down.per_second(now);
  t.rate_up = s.up.per_second(now);
  if (s.selection) t.bytes_total = s.selection->total();
  if (s.download) {
    t.wasted = s.download->wasted();
    t.verified_pieces = s.download->stored_pieces();
    t.complete = s.phase == Phase::seeding && s.download->picker().have().all();
  }
  t.connected = s.connected();
  t.half_open = s.pool.half_open();
  t.seen_by_source = s.pool.seen_by_source();
  for (const std::size_t n : t.seen_by_source) t.seen += n;
  t.dial_refused = s.pool.refused();
  t.dial_timed_out = s.pool.timed_out();
  if (s.metadata.known()) {
    t.metadata_done = t.metadata_total = s.metadata.raw_size();
  } else {
    t.metadata_done = s.metadata.fetch().bytes_held();
    t.metadata_total = s.metadata.fetch().bytes_expected();
  }
  t.stall = s.stall(now);
  return t;
}

std::vector<PeerInfo> Torrent::peers(wire::Instant now) const {
  std::vector<PeerInfo> all;
  for (const auto& p : state_->peers) {
    if (!p->ready || p->closing) continue;
    PeerInfo i;
    i.link = p->link;
    i.endpoint = p->remote;
    i.source = p->source;
    i.incoming = p->incoming;
    i.choking_us = p->chokes_us;
    i.interested = p->interested;
    i.we_choke = p->we_choke;
    i.we_are_interested = p->we_are_interested;
    i.snubbed = p->window.snubbed();
    i.rate_down = p->down.per_second(now);
    i.rate_up = p->up.per_second(now);
    i.downloaded = p->downloaded();
    i.uploaded = p->uploaded();
    if (p->have.size() > 0) i.progress = static_cast<double>(p->have.count()) / p->have.size();
    i.client = p->extensions.client;
    all.push_back(std::move(i));
  }
  return all;
}

}  // namespace lodestone::magnet
