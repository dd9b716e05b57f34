// SPDX-License-Identifier: Apache-2.0
#include "magnet/swarm/torrent.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "magnet/swarm/torrent_state.hpp"

namespace lodestone::magnet {

Torrent::State::State(wire::Instant now, TorrentConfig c, wire::Rng r)
    : config(std::move(c)),
      rng(std::move(r)),
      pool({.policy = config.policy,
            .private_net = config.private_net,
            .max_half_open = config.max_half_open,
            .dials_per_second = config.dials_per_second},
           rng.fork()),
      metadata(config.info_hash, config.metadata_budget),
      serving(config.request_queue),
      choker(config.upload_slots, rng.fork()),
      moved_at(now),
      seen_at(now),
      tick_at(now),
      want_at(now),
      trim_at(now) {}

Torrent::Torrent(wire::Instant now, TorrentConfig config, wire::Rng rng)
    : state_(std::make_unique<State>(now, std::move(config), std::move(rng))) {}
Torrent::~Torrent() = default;
Torrent::Torrent(Torrent&&) noexcept = default;

// --- phases ---

void Torrent::start(wire::Instant now, std::shared_ptr<const Info> info, wire::ByteVector raw_info,
                    wire::Bytes unfinished_metadata, std::function<std::vector<bool>(const Info&)> wanted, bool force,
                    Actions& out) {
  State& s = *state_;
  assert(!s.started);
  s.started = true;
  s.moved_at = now;
  s.wanted = std::move(wanted);
  s.force = force;
  if (info == nullptr) {
    s.metadata.restore(now, unfinished_metadata);
    s.enter(Phase::metadata, out);
    s.want_peers(now, out);
    return;
  }
  s.info = std::move(info);
  s.metadata.set_known(std::move(raw_info), s.info->is_private);
  if (s.info->is_private) out.push_back(action::GoPrivate{});
  s.open(now, out);
}

void Torrent::State::enter(Phase next, Actions& out) {
  phase = next;
  out.push_back(action::PhaseChanged{next});
}

bool Torrent::State::lively() const {
  return started && !stopping && !failed && phase != Phase::stopped && (phase != Phase::seeding || config.seed_after);
}

void Torrent::State::fail(storage::Trouble trouble, std::string bad_metadata, Actions& out) {
  failed = true;
  out.push_back(action::Failed{std::move(trouble), std::move(bad_metadata)});
}

void Torrent::on_metadata_checked(wire::Instant now, MetadataVerdict&& verdict, Actions& out) {
  State& s = *state_;
  if (s.stopping || s.phase == Phase::stopped) return;
  s.hear(now, s.metadata.on_checked(now, std::move(verdict), out), out);
}

void Torrent::State::metadata_ready(wire::Instant now, MetadataVerdict&& verdict, Actions& out) {
  if (verdict.info == nullptr) return fail({}, "metadata: " + verdict.error, out);
  info = std::move(verdict.info);
  metadata.set_known(verdict.raw, info->is_private);
  moved(now);
  // Off the moment it is known (M6): before anybody hears anything else of it.
  if (info->is_private) {
    out.push_back(action::GoPrivate{});
    pool.keep_only_explicit();
  }
  out.push_back(action::MetadataReady{info, std::move(verdict.raw)});
  open(now, out);
}

void Torrent::State::open(wire::Instant now, Actions& out) {
  if (config.metadata_only) {
    close_all(CloseReason::finished, out);
    enter(Phase::stopped, out);
    return;
  }
  if (info->manifest == nullptr) return fail({}, "metadata: torrents of version 2 only are not supported", out);
  const storage::Layout& layout = info->manifest->layout;
  selection.emplace(layout, wanted ? wanted(*info) : std::vector<bool>{});
  download.emplace(layout.geometry(), DownloadConfig{{config.sequential, config.unstored_limit}, config.private_net},
                   rng.fork());
  for (const auto& peer : peers)
    if (peer->ready) download->on_joined(*peer);
  out.push_back(action::Disk{storage::job::Open{info->manifest, selection->files(), force}});
  store_opened = true;
  enter(Phase::opening, out);
  tell_extensions(out);
  moved(now);
}

void Torrent::State::opened(wire::Instant now, storage::result::Opened&& r, Actions& out) {
  if (r.trouble) return fail(std::move(r.trouble), {}, out);
  // Before begin(), which may say that we are interested: our pieces are the first thing a peer hears (W2).
  for (const auto& peer : peers)
    if (peer->ready && !peer->closing) tell_pieces(*peer, &r.have, out);
  download->begin(selection->pieces(), r.have, peers, out);
  for (std::uint32_t p = 0; p < r.have.size(); ++p)
    if (r.have.test(wire::PieceIndex{p})) piece_had(wire::PieceIndex{p});
  spilled = std::move(r.spilled);
  checking.begin(r, out);
  if (checking.done()) return checked(now, out);
  enter(Phase::checking, out);
  dial(now, out);
}

void Torrent::State::checked(wire::Instant now, Actions& out) {
  if (const std::string* path = checking.conflict()) {
    storage::Trouble trouble;
    trouble.kind = storage::Trouble::Kind::conflict;
    trouble.path = *path;
    return fail(std::move(trouble), {}, out);
  }
  moved(now);
  download->resume(std::exchange(spilled, {}), out);
  if (download->picker().done()) return completed(now, out);
  enter(Phase::downloading, out);
  download->start(now, peers, out);
  want_peers(now, out);
  dial(now, out);
}

void Torrent::State::completed(wire::Instant now, Actions& out) {
  enter(Phase::seeding, out);
  out.push_back(action::Finished{});
  choker.hurry(now);
  tell_extensions(out);
  dial(now, out);
}

void Torrent::State::piece_had(wire::PieceIndex piece) { bytes_done += selection->bytes_in(piece); }

// --- disk ---

void Torrent::State::act_on(wire::Instant now, Download::Outcome&& outcome, Actions& out) {
  for (const wire::Endpoint& liar : outcome.liars) ban(liar, out);
  if (outcome.stored && phase == Phase::downloading && download->picker().done()) completed(now, out);
}

namespace {

template <class... Fs>
struct Overload : Fs... {
  using Fs::operator()...;
};
template <class... Fs>
Overload(Fs...) -> Overload<Fs...>;

}  // namespace

void Torrent::on_storage(wire::Instant now, storage::Result&& result, Actions& out) {
  State& s = *state_;
  if (std::holds_alternative<storage::result::Closed>(result)) {
    if (s.stopping && s.phase != Phase::stopped) s.enter(Phase::stopped, out);
    return;
  }
  // While stopping results only come home: nothing may be submitted behind Close.
  if (!s.download || s.stopping) return;
  std::visit(
      Overload{[&](storage::result::Opened& r) { s.opened(now, std::move(r), out); },
               [&](storage::result::PieceChecked& r) {
                 s.moved(now);
                 if (s.checking.on_checked(now, r, out) && !s.download->picker().have().test(r.piece)) {
                   s.download->found(r.piece, s.peers, out);
                   s.piece_had(r.piece);
                 }
                 if (s.checking.done() && s.phase == Phase::checking) s.checked(now, out);
               },
               [&](storage::result::PieceStored& r) {
                 if (s.download->picker().have().test(r.piece)) return;
                 s.piece_had(r.piece);
                 s.moved(now);
                 s.act_on(now, s.download->on_stored(now, s.peers, std::move(r), out), out);
               },
               [&](storage::result::PieceCorrupt& r) {
                 s.act_on(now, s.download->on_corrupt(now, s.peers, std::move(r), out), out);
               },
               [&](storage::result::PieceFailed& r) { s.download->on_failed(now, std::move(r)); },
               [&](storage::result::Spilled& r) { s.download->on_spilled(now, s.peers, std::move(r), out); },
               [&](storage::result::BlockRead& r) {
                 s.serving.on_read(now, s.peers, std::move(r), out);
                 s.pump_soon(now);
               },
               [&](storage::result::Synced& r) { s.download->on_synced(now, r); }, [](storage::result::Closed&) {}},
      result);
}

void Torrent::set_disk_pressure(bool pressed) {
  if (!state_->download) return;
  state_->download->set_pressure(pressed);
  // Eased: who waited for a place for a new piece asks on at once.
  if (!pressed) state_->tick_at = wire::Instant::min();
}

void Torrent::set_block_pool(wire::BlockPool* pool) { state_->serving.set_pool(pool); }

void Torrent::stop(wire::Instant now, Actions& out) {
  (void)now;
  State& s = *state_;
  if (s.stopping || s.phase == Phase::stopped) return;
  s.stopping = true;
  s.close_all(CloseReason::shutting_down, out);
  if (s.store_opened)
    out.push_back(action::Disk{storage::job::Close{}});
  else
    s.enter(Phase::stopped, out);
}

// --- looking ---

const Info* Torrent::info() const { return state_->info.get(); }

const wire::Geometry* Torrent::geometry() const {
  const Info* info = state_->info.get();
  return info != nullptr && info->manifest != nullptr ? &info->manifest->layout.geometry() : nullptr;
}

const wire::Bitfield& Torrent::have() const {
  return state_->download ? state_->download->picker().have() : state_->no_pieces;
}

wire::ByteVector Torrent::save_metadata() const {
  return state_->metadata.known() ? wire::ByteVector{} : state_->metadata.fetch().save();
}

void Torrent::check_invariants() const {
#ifndef NDEBUG
  const State& s = *state_;
  s.pool.check_invariants();
  if (s.download) {
    s.download->check_invariants(s.peers);
    assert(s.bytes_done <= s.selection->total());
  }
  for (const auto& peer : s.peers) assert(s.peers.find(peer->link) == peer.get());
#endif
}

}  // namespace lodestone::magnet
