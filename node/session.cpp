// SPDX-License-Identifier: Apache-2.0
#include "node/session.hpp"

#include <algorithm>
#include <utility>

#include <asio/post.hpp>

#include "node/net/clock.hpp"
#include "node/net/entropy.hpp"
#include "node/ops/log.hpp"
#include "node/session_impl.hpp"

namespace lodestone::node {
namespace {

constexpr wire::Duration kTick = std::chrono::seconds(1);
constexpr wire::Duration kDialTimeout = std::chrono::seconds(10);
// A young table changes fast, and a kill shall not cost much of it; an old one is saved rarely.
constexpr wire::Duration kFirstDhtSave = std::chrono::seconds(15);
constexpr wire::Duration kDhtSaveInterval = std::chrono::minutes(5);
constexpr wire::Duration kCountsInterval = std::chrono::minutes(10);

/// BEP 20 form; the rest is random.
wire::PeerId make_peer_id(wire::Rng& rng) {
  auto id = rng.id<wire::PeerId>();
  constexpr std::string_view kPrefix = "-LD0100-";
  std::copy(kPrefix.begin(), kPrefix.end(), id.bytes().begin());
  return id;
}

}  // namespace

wire::Instant Session::Impl::clock() { return clock_now(); }

Session::Impl::Impl(Runtime& r, SessionConfig c)
    : runtime(r),
      host(r.impl()),
      config(std::move(c)),
      self(std::make_shared<Impl*>(this)),
      now(clock()),
      rng(make_rng()),
      peer_id(make_peer_id(rng)),
      introducer_timer(host.io, [this] { wake([this] { ask_introducers(); }); }),
      pollination_timer(host.io, [this] { wake([this] { pollinate(); }); }),
      dht_saved_at(now),
      rings_saved_at(now),
      dht_save_after(kFirstDhtSave),
      counts_logged_at(now),
      links(host.io, host.blocks, *this),
      dialer(host.io, kDialTimeout, [this](Dialer::Result&& result) { wake([&] { on_dialled(std::move(result)); }); }),
      tick_timer(host.io, [this] { wake([this] { tick(); }); }) {}

Session::Impl::~Impl() {
  *self = nullptr;
  if (disk_listener) host.disk.unlisten(*disk_listener);
  for (const auto& [hash, torrent] : torrents) torrent->abandon(host.disk);
}

std::expected<void, StartError> Session::Impl::start() {
  if (!config.state_dir.empty()) {
    auto opened = StateDir::open(config.state_dir);
    if (!opened)
      return std::unexpected(StartError{StartError::Kind::state_dir, config.state_dir, opened.error().message()});
    state.emplace(*std::move(opened));
    store_folder = state->torrents();
  }
  if (state && config.owns_identity) {
    auto taken = FileLock::take(state->node_lock());
    if (!taken) {
      const auto kind = taken.error().held() ? StartError::Kind::conflict : StartError::Kind::state_dir;
      return std::unexpected(StartError{kind, state->node_lock(), taken.error().text()});
    }
    node_lock.emplace(*std::move(taken));
  }
  auto ports = bind_all();
  if (!ports) return std::unexpected(ports.error());
  for (const BoundPort& port : *ports) {
    listening.push_back(port.local);
    log::info("listening on {}", port.local.text());
  }
  policy = make_policy();
  start_dht(*ports);
  for (BoundPort& port : *ports) {
    if (!port.tcp) continue;
    acceptors.push_back(
        std::make_unique<Acceptor>(host.io, std::move(port.tcp), [this](UniqueFd socket, const wire::Endpoint& remote) {
          wake([&] { on_accept(std::move(socket), remote); });
        }));
  }
  disk_listener = host.disk.listen([this] { wake([this] { update_disk_pressure(); }); });
  tick_timer.arm(now + kTick);
  if (config.owns_identity) {
    save_dht();  // so that even who is killed at once comes back as the same
    restore_stored_items();
    restore_rings();
    look_for_items();
  }
  started = true;
  return {};
}

void Session::Impl::settle() {
  if (settling) return;
  settling = true;
  while (settle_once()) {
  }
  settling = false;
  links.unpark();
  if (stopping && torrents.empty() && (!stopped || !on_stopped.empty()) && !finishing) {
    stopped = finishing = true;
    // Not from here: a port's or a link's own handler may be below us on the stack.
    asio::post(host.io, while_alive([this] { finish_stopping(); }));
  }
}

bool Session::Impl::settle_once() {
  bool any = dispatch_dht_events();
  if (stop_requested()) any = true;
  std::vector<TorrentDriver*> pending;  // an owner's callback may add torrents meanwhile; none is destroyed here
  for (const auto& [hash, torrent] : torrents)
    if (torrent->pending()) pending.push_back(torrent.get());
  for (TorrentDriver* torrent : pending) {
    any = true;
    TorrentContext ctx = context();
    torrent->carry_out(ctx);
  }
  send_ports();
  if (links.flush(now)) any = true;
  if (tell_owners()) any = true;
  return any;
}

bool Session::Impl::tell_owners() {
  struct News {
    std::shared_ptr<const EventHandler> handler;
    std::vector<SessionEvent> events;
  };
  std::vector<News> news;
  std::vector<wire::InfoHash> ended;
  for (const auto& [hash, torrent] : torrents) {
    if (auto events = torrent->take_events(); !events.empty()) news.push_back({torrent->handler(), std::move(events)});
    if (torrent->stopped()) ended.push_back(hash);
  }
  for (const wire::InfoHash& hash : ended) {
    links.for_each([&](LinkKey key, const Link& link) {
      if (link.torrent == hash) links.close(key);
    });
    torrents.erase(hash);
  }
  // Last: a handler may do anything to this session but destroy it.
  for (const News& n : news)
    for (const SessionEvent& event : n.events)
      if (*n.handler) (*n.handler)(event);
  return !news.empty() || !ended.empty();
}

void Session::Impl::tick() {
  if (stopped) return;
  tick_timer.arm(now + kTick);
  for (const auto& [hash, torrent] : torrents) {
    TorrentContext ctx = context();
    torrent->tick(ctx);
  }
  share_contacts();
  if (config.owns_identity && now - dht_saved_at >= dht_save_after) {
    dht_save_after = std::min(2 * dht_save_after, kDhtSaveInterval);
    save_dht();
    look_for_items();
  }
  save_stored_items(false);
  if (config.owns_identity && now - counts_logged_at >= kCountsInterval) log_counts();
  if (now - rings_saved_at >= config.ring_save_interval) save_rings();
}

void Session::Impl::finish_stopping() {
  finishing = false;
  tick_timer.disarm();
  introducer_timer.disarm();
  pollination_timer.disarm();
  acceptors.clear();
  std::vector<LinkKey> left;
  links.for_each([&](LinkKey key, const Link&) { left.push_back(key); });
  for (const LinkKey key : left) links.close(key);
  save_dht();
  save_stored_items(true);
  save_rings_at_the_end();
  if (node_lock) {
    // The lock goes when what was saved under it is on the disk.
    auto lock = std::make_shared<std::optional<FileLock>>(std::move(node_lock));
    node_lock.reset();
    host.saver.run([lock] { lock->reset(); });
  }
  front_threads.clear();
  dht_nodes.clear();
  for (const auto& done : std::exchange(on_stopped, {})) done();
}

// --- the public face ---

Session::Session(Runtime& runtime, SessionConfig config) : impl_(std::make_unique<Impl>(runtime, std::move(config))) {}
Session::~Session() = default;

std::expected<void, StartError> Session::start() {
  impl_->now = Impl::clock();
  auto result = impl_->start();
  if (result) impl_->settle();
  return result;
}

std::vector<wire::Endpoint> Session::listening() const { return impl_->listening; }

std::expected<void, StartError> Session::add_torrent(TorrentSpec spec, EventHandler on_event) {
  std::expected<void, StartError> result;
  impl_->wake([&] { result = impl_->add_torrent(std::move(spec), std::move(on_event)); });
  return result;
}

void Session::stop_torrent(const wire::InfoHash& info_hash) {
  impl_->wake([&] { impl_->to_stop.push_back(info_hash); });
}

std::optional<magnet::TorrentStatus> Session::status(const wire::InfoHash& info_hash) const {
  const TorrentDriver* torrent = impl_->find(info_hash);
  if (torrent == nullptr) return std::nullopt;
  return torrent->status(Impl::clock());
}

std::vector<magnet::PeerInfo> Session::peers(const wire::InfoHash& info_hash) const {
  const TorrentDriver* torrent = impl_->find(info_hash);
  return torrent == nullptr ? std::vector<magnet::PeerInfo>{} : torrent->peers(Impl::clock());
}

TorrentTimes Session::times(const wire::InfoHash& info_hash) const {
  const TorrentDriver* torrent = impl_->find(info_hash);
  TorrentTimes times = torrent == nullptr ? TorrentTimes{} : torrent->times();
  times.first_dht_answer = impl_->first_dht_answer;
  return times;
}

std::size_t Session::dht_asked(const wire::InfoHash& info_hash) const {
  const TorrentDriver* torrent = impl_->find(info_hash);
  return torrent == nullptr ? 0 : torrent->dht_asked();
}

std::uint64_t Session::metadata_memory() const { return impl_->metadata_budget.granted(); }

void Session::resolve(std::vector<magnet::HostPort> names, std::function<void(std::vector<wire::Endpoint>)> done) {
  struct Gathering {
    std::size_t missing;
    std::vector<wire::Endpoint> found;
    std::function<void(std::vector<wire::Endpoint>)> done;
  };
  auto gathering = std::make_shared<Gathering>(Gathering{names.size(), {}, std::move(done)});
  if (names.empty()) {
    asio::post(impl_->host.io, impl_->while_alive([gathering] { gathering->done({}); }));
    return;
  }
  for (const magnet::HostPort& name : names) {
    impl_->host.resolver.resolve(name, impl_->while_alive([gathering](const std::vector<wire::Endpoint>& found) {
      gathering->found.insert(gathering->found.end(), found.begin(), found.end());
      if (--gathering->missing == 0) gathering->done(std::move(gathering->found));
    }));
  }
}

void Session::stop(std::function<void()> done) {
  impl_->wake([&] {
    if (done) impl_->on_stopped.push_back(std::move(done));
    impl_->stopping = true;
    for (const auto& [hash, torrent] : impl_->torrents) impl_->to_stop.push_back(hash);
  });
}

}  // namespace lodestone::node
