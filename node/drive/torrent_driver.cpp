// SPDX-License-Identifier: Apache-2.0
#include "node/drive/torrent_driver.hpp"

#include <algorithm>
#include <cassert>
#include <type_traits>
#include <utility>

#include "magnet/metadata_check.hpp"
#include "node/net/clock.hpp"
#include "node/ops/log.hpp"
#include "storage/disk/file_set.hpp"
#include "storage/plan/resume.hpp"

namespace lodestone::node {
namespace {

constexpr wire::Duration kMetadataSaveInterval = std::chrono::seconds(20);
constexpr std::size_t kMaxStateFile = 128u << 20;  // bytes; a resume file holds an info dict and a few bits a piece
constexpr std::size_t kFewPeers = 4;  // below this the DHT is asked even if the torrent does not ask for it

magnet::DialError dial_error_of(magnet::CloseReason reason, std::optional<wire::PeerError> error) {
  if (error == wire::PeerError::connected_to_self) return magnet::DialError::local;
  return reason == magnet::CloseReason::no_answer ? magnet::DialError::timed_out : magnet::DialError::refused;
}

/// The local address to dial from: with explicit addresses peers shall see one of them, so that an answer to "who are
/// you?" agrees with what the DHT says. A wildcard leaves the choice to the system.
std::optional<wire::Address> source_for(const wire::Endpoint& to, const std::vector<wire::Endpoint>& listening) {
  std::optional<wire::Address> same_family;
  for (const wire::Endpoint& mine : listening) {
    if (mine.family() != to.family()) continue;
    if (mine.address.is_unspecified()) return std::nullopt;
    if (mine.address.kind() == to.address.kind()) return mine.address;
    if (mine.address.kind() != wire::AddressKind::loopback) same_family = mine.address;
  }
  return same_family;
}

/// The trouble inside a result; every result that can have one calls it so.
template <class R>
const storage::Trouble* trouble_in(const R& result) {
  if constexpr (requires { result.trouble; }) return &result.trouble;
  return nullptr;
}

}  // namespace

TorrentDriver::TorrentDriver(asio::io_context& io, wire::Instant now, TorrentSpec spec, magnet::TorrentConfig config,
                             wire::Rng rng, wire::BlockPool& blocks, std::optional<FileLock> lock, Wake wake,
                             Session::EventHandler on_event)
    : spec_(std::move(spec)),
      torrent_(now, std::move(config), std::move(rng)),
      wake_(std::move(wake)),
      self_(std::make_shared<TorrentDriver*>(this)),
      lock_(std::move(lock)),
      timer_(io, [this] { wake_([this](TorrentContext&) { set_pending(); }); }),
      on_event_(std::make_shared<const Session::EventHandler>(std::move(on_event))),
      quiet_since_(now),
      metadata_saved_at_(now) {
  torrent_.set_block_pool(&blocks);
}

TorrentDriver::~TorrentDriver() { *self_ = nullptr; }

template <class Work, class Then>
void TorrentDriver::ask(Worker& worker, Work work, Then then) {
  worker.ask(std::move(work), [self = self_, then = std::move(then)](auto&& result) {
    TorrentDriver* driver = *self;
    if (driver == nullptr) return;
    driver->wake_([&](TorrentContext& context) { then(*driver, context, std::move(result)); });
  });
}

/// Inside the resume file of a download, or alone (M6); else the pieces that had come.
TorrentDriver::Remains TorrentDriver::look_for_remains(const StateDir& state, const wire::InfoHash& hash) {
  const auto of_use = [&hash](wire::ByteVector raw) -> std::optional<Remains> {
    magnet::MetadataVerdict verdict = magnet::check_metadata({.expected = hash, .raw = std::move(raw)});
    if (verdict.info == nullptr || verdict.info->manifest == nullptr) return std::nullopt;
    return Remains{std::move(verdict.info), std::move(verdict.raw), {}};
  };
  if (const auto resume = read_file(state.torrent_file(hash, "resume"), kMaxStateFile))
    if (const auto raw = storage::snapshot_info_dict(*resume))
      if (auto found = of_use({raw->begin(), raw->end()})) return *std::move(found);
  if (auto raw = read_file(state.torrent_file(hash, "info"), magnet::MetadataFetch::kMaxSize))
    if (auto found = of_use(*std::move(raw))) return *std::move(found);
  return {nullptr, {}, read_file(state.torrent_file(hash, "metadata"), kMaxStateFile).value_or(wire::ByteVector{})};
}

void TorrentDriver::start(TorrentContext& context) {
  for (const wire::Endpoint& mine : context.listening)
    if (!mine.address.is_unspecified()) torrent_.add_own_endpoint(mine);
  if (spec_.info != nullptr || context.state == nullptr)
    return begin(context, {spec_.info, std::exchange(spec_.raw_info, {}), {}});
  ask(
      context.saver, [state = *context.state, hash = spec_.info_hash] { return look_for_remains(state, hash); },
      [](TorrentDriver& self, TorrentContext& later, Remains&& remains) { self.begin(later, std::move(remains)); });
}

void TorrentDriver::begin(TorrentContext& context, Remains&& remains) {
  if (stopping_) return;
  pending_ = true;
  info_ = remains.info;
  torrent_.start(context.now, info_, remains.raw, remains.unfinished, spec_.wanted, spec_.force, actions_);
  if (info_ != nullptr) tell_metadata(info_, std::move(remains.raw));
  if (spec_.use_dht && !context.dht.empty() && !(info_ != nullptr && info_->is_private)) {
    search_.emplace(spec_.info_hash, spec_.announce && !spec_.metadata_only);
    search_->start(context.now, context.dht);
  }
}

void TorrentDriver::stop(TorrentContext& context) {
  if (stopping_) return;
  stopping_ = true;
  if (search_) search_->stop(context.now, context.dht);
  context.dialer.cancel(spec_.info_hash);
  save_metadata(context);
  pending_ = true;
  torrent_.stop(context.now, actions_);
}

void TorrentDriver::abandon(DiskDriver& disk) {
  if (store_) disk.let_go(*store_);
  store_.reset();
}

// --- facts ---

void TorrentDriver::on_peers_found(wire::Instant now, std::span<const wire::Endpoint> peers,
                                   magnet::PeerSource source) {
  if (stopping_ || peers.empty()) return;
  pending_ = true;
  torrent_.on_peers_found(now, peers, source, actions_);
  note_first_peer(now);
}

/// Addresses that may not be talked to do not count: the torrent has dropped them.
void TorrentDriver::note_first_peer(wire::Instant now) {
  if (!times_.first_peer && torrent_.status(now).seen > 0) times_.first_peer = wire::to_seconds(now - process_start());
}

void TorrentDriver::on_dial_failed(wire::Instant now, const wire::Endpoint& to, magnet::DialError error) {
  if (stopping_) return;
  pending_ = true;
  torrent_.on_dial_failed(now, to, error, actions_);
}

void TorrentDriver::on_link_events(wire::Instant now, LinkKey key, Link& link, wire::PeerEvents& events) {
  pending_ = true;
  for (wire::PeerEvent& event : events) {
    if (std::holds_alternative<wire::peer_event::WantsTorrent>(event)) continue;
    if (std::holds_alternative<wire::peer_event::Ready>(event)) {
      link.joined = true;
      torrent_.on_link(now, key, link.tcp.remote(), !link.tcp.connection().is_outgoing(), actions_);
      note_first_peer(now);
    }
    torrent_.on_peer(now, key, std::move(event), actions_);
  }
}

void TorrentDriver::on_link_gone(wire::Instant now, LinkKey key, const Link& link, magnet::CloseReason reason,
                                 std::optional<wire::PeerError> error) {
  log::debug("{}: link to {} ended: {}{}{}", spec_.info_hash.hex(), link.tcp.remote().text(), magnet::describe(reason),
             error ? ", " : "", error ? wire::describe(*error) : std::string_view{});
  if (link.joined) {
    pending_ = true;
    torrent_.on_closed(now, key, reason, actions_);
  } else if (link.tcp.connection().is_outgoing()) {
    // It connected and never became a peer: to the torrent this dial has failed.
    on_dial_failed(now, link.tcp.remote(), dial_error_of(reason, error));
  }
}

void TorrentDriver::on_sent(wire::Instant now, LinkKey key, std::uint64_t payload_bytes) {
  torrent_.on_sent(now, key, payload_bytes);
  pending_ = true;
}

void TorrentDriver::on_storage(storage::Result&& result) {
  std::visit(
      [this](const auto& r) {
        if (const storage::Trouble* trouble = trouble_in(r); trouble != nullptr && *trouble) trouble_ = *trouble;
      },
      result);
  pending_ = true;
  torrent_.on_storage(clock_now(), std::move(result), actions_);
}

// --- DHT ---

bool TorrentDriver::owns_lookup(const DhtDriver& driver, dht::LookupId lookup) const {
  return search_ && search_->owns(driver, lookup);
}

void TorrentDriver::on_dht_event(wire::Instant now, const DhtDriver& driver, const dht::Event& event) {
  pending_ = true;
  if (const auto* found = std::get_if<dht::event::PeersFound>(&event)) {
    on_peers_found(now, found->peers, magnet::PeerSource::dht);
  } else if (const auto* done = std::get_if<dht::event::LookupDone>(&event)) {
    search_->on_done(now, driver, *done);
    log::debug("{}: lookup done: {} asked, {} answered, {} peers", spec_.info_hash.hex(), done->stats.asked,
               done->stats.answered, done->stats.peers);
  } else if (const auto* announced = std::get_if<dht::event::AnnounceDone>(&event)) {
    events_.push_back(session_event::Announced{search_->on_announced(driver, *announced)});
  }
}

// --- driving ---

void TorrentDriver::tick(TorrentContext& context) {
  if (stopping_) return;
  look_for_peers(context);
  if (info_ == nullptr && context.now - metadata_saved_at_ >= kMetadataSaveInterval) save_metadata(context);
  check_stall(context);
}

/// The torrent asks for a lookup when it would like one; with hardly a peer it gets one anyway.
void TorrentDriver::look_for_peers(TorrentContext& context) {
  if (!search_) return;
  const magnet::TorrentStatus now_status = torrent_.status(context.now);
  const bool searching = now_status.phase == magnet::Phase::metadata || now_status.phase == magnet::Phase::downloading;
  if (searching && now_status.connected < kFewPeers) search_->want();
  search_->set_seed(context.now, now_status.complete, context.dht);
  search_->advance(context.now, context.dht);
}

void TorrentDriver::check_stall(TorrentContext& context) {
  const magnet::TorrentStatus now_status = torrent_.status(context.now);
  if (now_status.seen > 0) quiet_since_ = context.now;
  StallFacts facts;
  facts.quiet = context.now - quiet_since_;
  facts.has_introducers = context.dht_has_introducers;
  facts.trouble = trouble_;
  if (search_ && search_->active()) {
    facts.dht_used = true;
    facts.lookups_done = search_->rounds();
    facts.nodes_answered = search_->answered();
    for (const auto& driver : context.dht) {
      facts.dht_answered = facts.dht_answered || driver->node().ever_answered();
      facts.dht_table += driver->node().table_size();
    }
  }
  StallVerdict verdict = judge_stall(now_status, facts);
  if (verdict.reason == stall_) return;
  stall_ = verdict.reason;
  events_.push_back(
      session_event::Stalled{verdict.reason, verdict.code, std::move(verdict.detail), std::move(verdict.hint)});
}

/// One overload per action; the body of carry_out().
struct TorrentDriver::Carrier {
  TorrentDriver& self;
  TorrentContext& context;

  void operator()(magnet::action::Dial& a) {
    context.dialer.dial(context.now, self.spec_.info_hash, a.to, source_for(a.to, context.listening));
  }
  void operator()(magnet::action::Close& a) {
    Link* link = context.links.find(a.link);
    if (link == nullptr) return;
    log::debug("{}: closing {}: {}", self.spec_.info_hash.hex(), link->tcp.remote().text(), magnet::describe(a.reason));
    context.links.drop(context.now, a.link, a.reason);
  }
  void operator()(magnet::action::Send& a) {
    Link* link = context.links.find(a.link);
    if (link == nullptr) return;
    link->tcp.connection().send(a.message);
    context.links.touch(a.link);
  }
  void operator()(magnet::action::SendPiece& a) {
    Link* link = context.links.find(a.link);
    if (link == nullptr) return;
    link->tcp.connection().send_piece(a.range, std::move(a.block));
    context.links.touch(a.link);
  }
  void operator()(magnet::action::UnsendPiece& a) {
    if (Link* link = context.links.find(a.link)) (void)link->tcp.connection().unsend_piece(a.range);
  }
  void operator()(magnet::action::CheckMetadata& a) {
    self.ask(
        context.hasher, [check = std::move(a.check)]() mutable { return magnet::check_metadata(std::move(check)); },
        [](TorrentDriver& driver, TorrentContext& later, magnet::MetadataVerdict&& verdict) {
          driver.pending_ = true;
          driver.torrent_.on_metadata_checked(later.now, std::move(verdict), driver.actions_);
        });
  }
  void operator()(magnet::action::MetadataReady& a) {
    self.info_ = a.info;
    self.tell_geometry(context, *a.info);
    if (context.state != nullptr) {
      context.saver.run([path = self.file(context, "metadata")] { remove_file(path); });
      // A download's info dict goes into its resume file; without a download it needs one of its own (M6).
      if (self.spec_.metadata_only)
        context.saver.run([path = self.file(context, "info"), raw = a.raw] { (void)replace_file(path, raw); });
    }
    self.tell_metadata(a.info, std::move(a.raw));
  }
  void operator()(magnet::action::Disk& a) { context.disk.submit(self.store(context), std::move(a.job)); }
  void operator()(magnet::action::WantPeers&) {
    if (!self.search_) return;
    self.search_->want();
    self.search_->advance(context.now, context.dht);
  }
  void operator()(magnet::action::GoPrivate&) {
    if (self.search_) self.search_->stop(context.now, context.dht);
  }
  void operator()(magnet::action::PhaseChanged& a) {
    if ((a.phase == magnet::Phase::downloading || a.phase == magnet::Phase::seeding) && !self.times_.opened)
      self.times_.opened = wire::to_seconds(context.now - process_start());
    self.events_.push_back(session_event::PhaseChanged{a.phase});
  }
  void operator()(magnet::action::Finished&) {
    self.times_.finished = wire::to_seconds(context.now - process_start());
    self.events_.push_back(session_event::Finished{});
  }
  void operator()(magnet::action::Failed& a) {
    self.events_.push_back(session_event::Failed{std::move(a.trouble), std::move(a.bad_metadata)});
  }
  void operator()(magnet::action::DhtNode& a) {
    for (const auto& driver : context.dht) {
      if (driver->family() != a.node.family()) continue;
      driver->use(context.now,
                  [&](dht::Node& node, dht::Output& out) { node.add_introducers(context.now, {&a.node, 1}, out); });
    }
  }
};

void TorrentDriver::carry_out(TorrentContext& context) {
  // Facts without an answer of their own (payload was sent) make the torrent due at once.
  if (context.now >= torrent_.next_deadline()) torrent_.advance(context.now, actions_);
  while (!actions_.empty()) {
    magnet::Actions batch;
    batch.swap(actions_);
    for (magnet::Action& action : batch) std::visit(Carrier{*this, context}, action);
    if (actions_.empty()) {  // keep the larger memory
      batch.clear();
      actions_.swap(batch);
    }
  }
  if (search_ && context.now >= search_->next_deadline()) look_for_peers(context);
  pending_ = false;
  if (stopping_) check_stopped(context);
  if (stopped_) return;
  const wire::Instant due = std::min(torrent_.next_deadline(), search_ ? search_->next_deadline() : wire::kNever);
  timer_.arm(std::max(due, context.now + Timer::kGrain));
}

void TorrentDriver::check_stopped(TorrentContext& context) {
  if (stopped_ || torrent_.status(context.now).phase != magnet::Phase::stopped) return;
  stopped_ = true;
  timer_.disarm();
  abandon(context.disk);
  lock_.reset();
  events_.push_back(session_event::Stopped{});
}

std::vector<SessionEvent> TorrentDriver::take_events() { return std::exchange(events_, {}); }

DiskDriver::StoreId TorrentDriver::store(TorrentContext& context) {
  if (!store_) {
    auto files = storage::make_posix_files(spec_.download_dir, context.store_folder, spec_.info_hash.hex());
    store_ = context.disk.add(std::move(files), [this](storage::Result&& r) { on_storage(std::move(r)); });
  }
  return *store_;
}

void TorrentDriver::tell_geometry(TorrentContext& context, const magnet::Info& info) {
  if (info.manifest == nullptr) return;
  const wire::Geometry& geometry = info.manifest->layout.geometry();
  std::vector<LinkKey> mine;
  context.links.for_each([&](LinkKey key, const Link& link) {
    if (link.torrent == spec_.info_hash) mine.push_back(key);
  });
  for (const LinkKey key : mine) {
    Link* link = context.links.find(key);
    wire::PeerEvents events;
    const auto ok = link->tcp.connection().set_geometry(geometry, events);
    on_link_events(context.now, key, *link, events);
    if (!ok) context.links.drop(context.now, key, magnet::CloseReason::protocol_error, ok.error());
  }
}

void TorrentDriver::tell_metadata(std::shared_ptr<const magnet::Info> info, wire::ByteVector raw) {
  if (metadata_told_) return;
  metadata_told_ = true;
  times_.metadata = wire::to_seconds(clock_now() - process_start());
  events_.push_back(session_event::Metadata{std::move(info), std::move(raw)});
}

void TorrentDriver::save_metadata(TorrentContext& context) {
  metadata_saved_at_ = context.now;
  if (context.state == nullptr || info_ != nullptr) return;
  const std::uint64_t held = torrent_.status(context.now).metadata_done;
  if (std::exchange(metadata_saved_, held) == held) return;
  wire::ByteVector unfinished = torrent_.save_metadata();
  if (unfinished.empty()) return;
  context.saver.run(
      [path = file(context, "metadata"), content = std::move(unfinished)] { (void)replace_file(path, content); });
}

std::string TorrentDriver::file(const TorrentContext& context, std::string_view suffix) const {
  return context.state->torrent_file(spec_.info_hash, suffix);
}

magnet::TorrentStatus TorrentDriver::status(wire::Instant now) const {
  magnet::TorrentStatus s = torrent_.status(now);
  s.stall = stall_;
  return s;
}

}  // namespace lodestone::node
