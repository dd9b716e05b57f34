// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/torrent_host.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

namespace lodestone::tools::sim {
namespace {

using namespace std::chrono_literals;

constexpr Duration kSweepGrain = 250ms;
constexpr Duration kLongestSweep = 5s;  // a deadline may have come nearer since it was looked at
constexpr Duration kTick = 1s;
constexpr Duration kDiskTime = 2ms;  // from a job to its result
constexpr std::size_t kFewPeers = 4;
constexpr std::size_t kBlocksPerReader = 8;

magnet::CloseReason reason_of(wire::PeerError error) {
  switch (error) {
    case wire::PeerError::handshake_timeout:
    case wire::PeerError::idle_timeout: return magnet::CloseReason::no_answer;
    case wire::PeerError::connected_to_self: return magnet::CloseReason::duplicate;
    default: return magnet::CloseReason::protocol_error;
  }
}

magnet::DialError dial_error_of(magnet::CloseReason reason, std::optional<wire::PeerError> error) {
  if (error == wire::PeerError::connected_to_self) return magnet::DialError::local;
  return reason == magnet::CloseReason::no_answer ? magnet::DialError::timed_out : magnet::DialError::refused;
}

wire::AddressPolicy global_only() {
  wire::AddressPolicy policy;
  policy.allow(wire::AddressKind::global);
  return policy;
}

wire::PeerId make_peer_id(wire::Rng rng) {
  auto id = rng.id<wire::PeerId>();
  std::memcpy(id.bytes().data(), "-LD0100-", 8);
  return id;
}

magnet::TorrentConfig torrent_config(const TorrentHostSpec& spec, const wire::PeerId& our_id) {
  magnet::TorrentConfig c;
  c.info_hash = spec.info_hash;
  c.our_id = our_id;
  c.our_extensions.client = "Lodestone/sim";
  c.our_extensions.request_queue = c.request_queue;
  c.our_extensions.listen_port = spec.port;
  c.policy = global_only();
  c.seed_after = spec.seed_after;
  return c;
}

}  // namespace

TorrentHost::TorrentHost(World& world, Streams& streams, const TorrentHostSpec& spec, dht::Output& arena)
    : world_(world),
      streams_(streams),
      spec_(spec),
      host_(world.add_host({.nat = spec.nat})),
      dht_(world, host_, spec.port, public_node_config(world, host_), arena),
      peer_id_(make_peer_id(world.fork_rng())),
      policy_(global_only()),
      blocks_(spec.block_memory),
      disk_(std::make_shared<storage::MemoryDisk>()),
      store_(storage::make_memory_files(disk_)),
      torrent_(world.now(), torrent_config(spec, peer_id_), world.fork_rng()),
      torrent_timer_(world,
                     [this] {
                       if (world_.now() >= torrent_.next_deadline()) torrent_.advance(world_.now(), actions_);
                       settle();
                     }),
      sweep_timer_(world, [this] { sweep(); }),
      tick_timer_(world, [this] { tick(); }),
      disk_timer_(world, [this] { disk_done(); }) {
  streams_.set_rate(host_, spec.rate);
  torrent_.set_block_pool(&blocks_);
  torrent_.add_own_endpoint(local());
  if (spec.seed != nullptr) spec.seed->put_on(*disk_);
  dht_.on_event([this](dht::Event&& event) {
    dht_events_.push_back(std::move(event));
    settle();
  });
}

TorrentHost::~TorrentHost() {
  streams_.stop_listening(host_, spec_.port);
  links_.for_each([this](LinkKey, const Link& link) { streams_.close(link.io.stream()); });
}

void TorrentHost::start() {
  streams_.listen(host_, spec_.port, *this);
  if (spec_.use_dht && !spec_.introducers.empty()) dht_.join(spec_.introducers);
  if (spec_.seed != nullptr) {
    torrent_.start(world_.now(), spec_.seed->info, spec_.seed->raw_info, {}, {}, false, actions_);
    metadata_at_ = world_.now();
  } else {
    torrent_.start(world_.now(), nullptr, {}, {}, {}, false, actions_);
  }
  if (spec_.use_dht) {
    search_.emplace(spec_.info_hash, spec_.port, spec_.announce);
    search_->start(world_.now(), dht_);
  }
  tick_timer_.arm(world_.now() + kTick);
  settle();
}

void TorrentHost::stop() {
  if (stopping_) return;
  stopping_ = true;
  if (search_) search_->stop(dht_);
  torrent_.stop(world_.now(), actions_);
  settle();
}

void TorrentHost::add_peers(std::span<const Endpoint> peers) {
  torrent_.on_peers_found(world_.now(), peers, magnet::PeerSource::magnet, actions_);
  settle();
}

void TorrentHost::check_invariants() const {
  torrent_.check_invariants();
  dht_.node().check_invariants();
}

// --- streams ---

void TorrentHost::on_accept(StreamKey stream, const Endpoint& remote) {
  if (stopping_ || !policy_.allows(remote)) {
    streams_.close(stream);
    return;
  }
  (void)add_link(stream, wire::PeerConnection::incoming(world_.now(), connection_config()), remote, false);
  settle();
}

void TorrentHost::on_dialled(const Endpoint& to, DialOutcome outcome, StreamKey stream) {
  if (stopping_) {
    if (outcome == DialOutcome::connected) streams_.close(stream);
    return;
  }
  if (outcome != DialOutcome::connected) {
    const auto error = outcome == DialOutcome::refused ? magnet::DialError::refused : magnet::DialError::timed_out;
    torrent_.on_dial_failed(world_.now(), to, error, actions_);
    settle();
    return;
  }
  wire::PeerConnectionConfig config = connection_config();
  config.our_extensions = torrent_.extensions();
  wire::PeerConnection connection = wire::PeerConnection::outgoing(world_.now(), std::move(config), spec_.info_hash);
  if (const wire::Geometry* geometry = torrent_.geometry()) {
    wire::PeerEvents none;
    (void)connection.set_geometry(*geometry, none);
  }
  (void)add_link(stream, std::move(connection), to, true);
  settle();
}

void TorrentHost::on_readable(StreamKey stream) {
  const auto at = by_stream_.find(stream);
  if (at == by_stream_.end()) return;
  read(at->second);
  settle();
}

void TorrentHost::on_writable(StreamKey stream) {
  const auto at = by_stream_.find(stream);
  if (at == by_stream_.end()) return;
  links_.find(at->second)->blocked = false;
  touch(at->second);
  settle();
}

void TorrentHost::on_end(StreamKey stream) {
  const auto at = by_stream_.find(stream);
  if (at == by_stream_.end()) return;
  drop(LinkKey{at->second}, magnet::CloseReason::remote_closed);
  settle();
}

// --- links ---

wire::PeerConnectionConfig TorrentHost::connection_config() const {
  wire::PeerConnectionConfig config;
  config.our_id = peer_id_;
  config.dht = spec_.use_dht;
  return config;
}

TorrentHost::LinkKey TorrentHost::add_link(StreamKey stream, wire::PeerConnection connection, const Endpoint& remote,
                                           bool ours) {
  const LinkKey key = links_.emplace(Link{PeerLink{streams_, stream, std::move(connection), remote},
                                          ours ? std::optional{spec_.info_hash} : std::nullopt});
  by_stream_.emplace(stream, key);
  touch(key);
  if (!std::exchange(sweeping_, true)) sweep_timer_.arm(world_.now() + kSweepGrain);
  return key;
}

void TorrentHost::read(LinkKey key) {
  while (Link* link = links_.find(key)) {
    wire::PeerEvents events;
    const std::size_t before = streams_.readable(link->io.stream()).size();
    const PeerLink::Outcome outcome = link->io.read(world_.now(), blocks_, events);
    if (!events.empty()) on_link_events(key, events);
    link = links_.find(key);  // the torrent may have closed it
    if (link == nullptr) return;
    if (link->io.connection().wants_write()) touch(key);
    if (outcome == PeerLink::Outcome::broken) {
      drop(key, reason_of(*link->io.error()), link->io.error());
      return;
    }
    if (outcome == PeerLink::Outcome::drained) return;
    if (streams_.readable(link->io.stream()).size() < before) continue;  // it had stopped for an adopt()
    if (!link->parked) parked_.push_back(key);
    link->parked = true;
    return;
  }
}

void TorrentHost::on_link_events(LinkKey key, wire::PeerEvents& events) {
  Link* link = links_.find(key);
  if (!link->torrent) {
    const auto wants = std::find_if(events.begin(), events.end(), [](const wire::PeerEvent& e) {
      return std::holds_alternative<wire::peer_event::WantsTorrent>(e);
    });
    if (wants == events.end()) return;
    answer_handshake(key, std::get<wire::peer_event::WantsTorrent>(*wants).info_hash, events);
    link = links_.find(key);
    if (link == nullptr) return;
  }
  for (wire::PeerEvent& event : events) {
    if (std::holds_alternative<wire::peer_event::WantsTorrent>(event)) continue;
    if (const auto* ready = std::get_if<wire::peer_event::Ready>(&event)) {
      link->joined = true;
      if (ready->dht) ports_due_.push_back(key);
      torrent_.on_link(world_.now(), key, link->io.remote(), !link->io.connection().is_outgoing(), actions_);
    }
    torrent_.on_peer(world_.now(), key, std::move(event), actions_);
  }
}

void TorrentHost::answer_handshake(LinkKey key, const wire::InfoHash& wanted, wire::PeerEvents& events) {
  if (wanted != spec_.info_hash || stopping_) {
    drop(key, magnet::CloseReason::not_needed);
    return;
  }
  Link& link = *links_.find(key);
  if (!torrent_.wants_link(link.io.remote())) {
    drop(key, magnet::CloseReason::too_many);
    return;
  }
  link.torrent = wanted;
  wire::PeerConnection& connection = link.io.connection();
  if (const wire::Geometry* geometry = torrent_.geometry()) (void)connection.set_geometry(*geometry, events);
  if (const auto ok = connection.adopt(world_.now(), wanted, torrent_.extensions(), events); !ok)
    drop(key, magnet::CloseReason::protocol_error, ok.error());
}

void TorrentHost::drop(LinkKey key, magnet::CloseReason reason, std::optional<wire::PeerError> error) {
  Link* link = links_.find(key);
  if (link == nullptr) return;
  const Endpoint remote = link->io.remote();
  if (link->joined) {
    torrent_.on_closed(world_.now(), key, reason, actions_);
  } else if (link->io.connection().is_outgoing() && !stopping_) {
    torrent_.on_dial_failed(world_.now(), remote, dial_error_of(reason, error), actions_);
  }
  by_stream_.erase(link->io.stream());
  streams_.close(link->io.stream());
  links_.erase(key);
}

void TorrentHost::touch(LinkKey key) {
  Link* link = links_.find(key);
  if (link == nullptr || link->dirty || link->blocked) return;
  link->dirty = true;
  dirty_.push_back(key);
}

bool TorrentHost::flush_links() {
  if (dirty_.empty()) return false;
  const std::vector<LinkKey> now_dirty = std::exchange(dirty_, {});
  for (const LinkKey key : now_dirty) {
    Link* link = links_.find(key);
    if (link == nullptr) continue;
    link->dirty = false;
    link->blocked = link->io.write(world_.now()) == PeerLink::Outcome::blocked;
    const std::uint64_t payload = link->io.connection().payload_out();
    if (payload > link->payload_told && link->torrent)
      torrent_.on_sent(world_.now(), key, payload - std::exchange(link->payload_told, payload));
  }
  return true;
}

/// After the torrent's own first words: a bitfield must come before anything else (W2).
void TorrentHost::send_ports() {
  for (const LinkKey key : std::exchange(ports_due_, {})) {
    Link* link = links_.find(key);
    if (link == nullptr) continue;
    link->io.connection().send(wire::peer_message::DhtPort{dht_.local().port});
    touch(key);
  }
}

void TorrentHost::unpark() {
  if (parked_.empty() || blocks_.available() < kBlocksPerReader) return;
  for (const LinkKey key : std::exchange(parked_, {})) {
    Link* link = links_.find(key);
    if (link == nullptr) continue;
    link->parked = false;
    const StreamKey stream = link->io.stream();
    world_.at(world_.now(), [this, stream] { on_readable(stream); });
  }
}

void TorrentHost::sweep() {
  std::vector<LinkKey> due;
  Instant next = world_.now() + kLongestSweep;
  links_.for_each([&](LinkKey key, const Link& link) {
    const Instant deadline = link.io.connection().next_deadline();
    if (deadline <= world_.now()) due.push_back(key);
    next = std::min(next, deadline);
  });
  sweeping_ = !links_.empty();
  if (sweeping_) sweep_timer_.arm(std::max(next, world_.now() + kSweepGrain));
  for (const LinkKey key : due) {
    Link* link = links_.find(key);
    if (link == nullptr) continue;
    wire::PeerEvents events;
    const auto ok = link->io.connection().advance(world_.now(), events);
    if (!events.empty()) on_link_events(key, events);
    if (!ok) drop(key, reason_of(ok.error()), ok.error());
    touch(key);
  }
  settle();
}

// --- torrent ---

void TorrentHost::tell_geometry(const magnet::Info& info) {
  if (info.manifest == nullptr) return;
  std::vector<LinkKey> mine;
  links_.for_each([&](LinkKey key, const Link& link) {
    if (link.torrent == spec_.info_hash) mine.push_back(key);
  });
  for (const LinkKey key : mine) {
    Link* link = links_.find(key);
    if (link == nullptr) continue;
    wire::PeerEvents events;
    const auto ok = link->io.connection().set_geometry(info.manifest->layout.geometry(), events);
    on_link_events(key, events);
    if (!ok) drop(key, magnet::CloseReason::protocol_error, ok.error());
  }
}

void TorrentHost::submit(storage::Job&& job) {
  disk_results_.emplace_back(world_.now() + kDiskTime, store_.execute(std::move(job)));
  disk_timer_.arm(disk_results_.front().first);
}

void TorrentHost::disk_done() {
  while (!disk_results_.empty() && disk_results_.front().first <= world_.now()) {
    storage::Result result = std::move(disk_results_.front().second);
    disk_results_.pop_front();
    torrent_.on_storage(world_.now(), std::move(result), actions_);
  }
  settle();
  if (!disk_results_.empty()) disk_timer_.arm(disk_results_.front().first);
}

void TorrentHost::tick() {
  if (stopping_) return;
  tick_timer_.arm(world_.now() + kTick);
  const magnet::TorrentStatus s = torrent_.status(world_.now());
  if (search_) {
    const bool searching = s.phase == magnet::Phase::metadata || s.phase == magnet::Phase::downloading;
    if (searching && s.connected < kFewPeers) search_->want();
    search_->advance(world_.now(), dht_);
  }
  settle();
}

bool TorrentHost::dispatch_dht_events() {
  if (dht_events_.empty()) return false;
  for (dht::Event& event : std::exchange(dht_events_, {})) {
    if (stopping_ || !search_) continue;
    if (const auto* found = std::get_if<dht::event::PeersFound>(&event)) {
      if (search_->owns(found->lookup))
        torrent_.on_peers_found(world_.now(), found->peers, magnet::PeerSource::dht, actions_);
    } else if (const auto* done = std::get_if<dht::event::LookupDone>(&event)) {
      if (search_->owns(done->lookup)) search_->on_done(world_.now(), done->lookup);
    }
  }
  return true;
}

/// One overload per action; the body of carry_out().
struct TorrentHost::Carrier {
  TorrentHost& self;

  void operator()(magnet::action::Dial& a) { self.streams_.dial(self.host_, a.to, self); }
  void operator()(magnet::action::Close& a) {
    const Link* link = self.links_.find(a.link);
    if (link == nullptr) return;
    ++self.closed_[static_cast<std::size_t>(a.reason)];
    if (a.reason == magnet::CloseReason::banned) self.banned_.push_back(link->io.remote().address);
    self.drop(a.link, a.reason);
  }
  void operator()(magnet::action::Send& a) {
    Link* link = self.links_.find(a.link);
    if (link == nullptr) return;
    link->io.connection().send(a.message);
    self.touch(a.link);
  }
  void operator()(magnet::action::SendPiece& a) {
    Link* link = self.links_.find(a.link);
    if (link == nullptr) return;
    link->io.connection().send_piece(a.range, std::move(a.block));
    self.touch(a.link);
  }
  void operator()(magnet::action::UnsendPiece& a) {
    if (Link* link = self.links_.find(a.link)) (void)link->io.connection().unsend_piece(a.range);
  }
  void operator()(magnet::action::CheckMetadata& a) {
    self.torrent_.on_metadata_checked(self.world_.now(), magnet::check_metadata(std::move(a.check)), self.actions_);
  }
  void operator()(magnet::action::MetadataReady& a) {
    if (!self.metadata_at_) self.metadata_at_ = self.world_.now();
    self.tell_geometry(*a.info);
  }
  void operator()(magnet::action::Disk& a) { self.submit(std::move(a.job)); }
  void operator()(magnet::action::WantPeers&) {
    if (!self.search_) return;
    self.search_->want();
    self.search_->advance(self.world_.now(), self.dht_);
  }
  void operator()(magnet::action::GoPrivate&) {
    if (self.search_) self.search_->stop(self.dht_);
  }
  void operator()(magnet::action::PhaseChanged&) {}
  void operator()(magnet::action::Finished&) { self.finished_at_ = self.world_.now(); }
  void operator()(magnet::action::Failed&) { self.failed_ = true; }
  void operator()(magnet::action::DhtNode& a) {
    if (self.spec_.use_dht) self.dht_.join({&a.node, 1});
  }
};

bool TorrentHost::carry_out() {
  if (actions_.empty()) return false;
  magnet::Actions batch = std::exchange(actions_, {});
  for (magnet::Action& action : batch) std::visit(Carrier{*this}, action);
  return true;
}

void TorrentHost::settle() {
  if (settling_ || stopped_) return;
  settling_ = true;
  for (bool any = true; any;) {
    any = dispatch_dht_events();
    any |= carry_out();
    send_ports();
    any |= flush_links();
  }
  settling_ = false;
  unpark();
  if (stopping_ && torrent_.status(world_.now()).phase == magnet::Phase::stopped) {
    stopped_ = true;
    torrent_timer_.disarm();
    return;
  }
  const Instant next = torrent_.next_deadline();
  torrent_timer_.arm(next == wire::kNever ? next : std::max(next, world_.now() + Timer::kGrain));
}

}  // namespace lodestone::tools::sim
