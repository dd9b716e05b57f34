// SPDX-License-Identifier: Apache-2.0
// Starting and stopping torrents.
#include <algorithm>
#include <utility>

#include "node/session_impl.hpp"

namespace lodestone::node {
namespace {

/// Numeric addresses count at once; what a name resolves to is not known yet.
void allow_kinds(wire::AddressPolicy& policy, const std::vector<magnet::HostPort>& names) {
  for (const magnet::HostPort& name : names)
    if (const auto endpoints = numeric_endpoints(name))
      for (const wire::Endpoint& endpoint : *endpoints) policy.allow_from(endpoint.address);
}

}  // namespace

TorrentDriver* Session::Impl::find(const wire::InfoHash& hash) const {
  const auto it = torrents.find(hash);
  return it == torrents.end() ? nullptr : it->second.get();
}

TorrentContext Session::Impl::context() {
  return {.now = now,
          .links = links,
          .dialer = dialer,
          .disk = host.disk,
          .saver = host.saver,
          .hasher = host.hasher,
          .state = state ? &*state : nullptr,
          .store_folder = store_folder,
          .dht = dht_nodes,
          .listening = listening,
          .dht_has_introducers = !introducers.empty() || restored_contacts};
}

std::expected<void, StartError> Session::Impl::add_torrent(TorrentSpec spec, EventHandler on_event) {
  const wire::InfoHash hash = spec.info_hash;
  if (stopping) return std::unexpected(StartError{StartError::Kind::conflict, hash.hex(), "the session is ending"});
  if (find(hash) != nullptr)
    return std::unexpected(StartError{StartError::Kind::conflict, hash.hex(), "already running in this session"});
  if (spec.info != nullptr && spec.info->manifest == nullptr)
    return std::unexpected(StartError{StartError::Kind::unsupported, spec.info->name, "a v2-only torrent"});
  std::optional<FileLock> lock;
  if (state) {
    const std::string path = state->torrent_file(hash, "lock");
    auto taken = FileLock::take(path);
    if (!taken) {
      const auto kind = taken.error().held() ? StartError::Kind::conflict : StartError::Kind::state_dir;
      return std::unexpected(StartError{kind, path, taken.error().text()});
    }
    lock.emplace(*std::move(taken));
  } else if (!scratch) {
    scratch.emplace();
    store_folder = scratch->path();
    if (store_folder.empty()) {
      scratch.reset();
      return std::unexpected(
          StartError{StartError::Kind::state_dir, "TMPDIR", "no temporary folder can be made, and there is no other"});
    }
  }

  magnet::TorrentConfig c;
  c.info_hash = hash;
  c.our_id = peer_id;
  c.our_extensions.client = config.client;
  c.our_extensions.request_queue = c.request_queue;
  if (config.tcp && !listening.empty()) c.our_extensions.listen_port = listening.front().port;
  allow_kinds(policy, spec.explicit_peers);
  c.policy = policy;
  c.private_net = config.private_net;
  c.pex = config.pex && spec.use_pex;
  c.sequential = spec.sequential;
  c.seed_after = spec.seed_after;
  c.metadata_only = spec.metadata_only;
  c.max_peers = std::min(spec.max_peers, config.max_peers);
  c.metadata_budget = &metadata_budget;
  spec.announce = spec.announce && config.tcp;

  std::vector<magnet::HostPort> peers = spec.explicit_peers;
  for (const magnet::HostPort& peer : spec.peers)
    if (std::find(peers.begin(), peers.end(), peer) == peers.end()) peers.push_back(peer);
  const std::vector<magnet::HostPort> nodes = spec.dht_nodes;
  auto driver = std::make_unique<TorrentDriver>(
      host.io, now, std::move(spec), std::move(c), rng.fork(), host.blocks, std::move(lock),
      [this](const auto& f) {
        wake([this, &f] {
          TorrentContext ctx = context();
          f(ctx);
        });
      },
      std::move(on_event));
  TorrentDriver& torrent = *driver;
  torrents.emplace(hash, std::move(driver));
  torrent.set_disk_pressure(disk_pressed);
  TorrentContext ctx = context();
  torrent.start(ctx);
  introduce(nodes, false);
  feed_peers(hash, peers);
  return {};
}

bool Session::Impl::stop_requested() {
  if (to_stop.empty()) return false;
  for (const wire::InfoHash& hash : std::exchange(to_stop, {})) {
    TorrentDriver* torrent = find(hash);
    if (torrent == nullptr) continue;
    TorrentContext ctx = context();
    torrent->stop(ctx);
  }
  return true;
}

/// x.pe and --peer: peers of this torrent and, since most clients share the port number, perhaps DHT nodes (T9).
void Session::Impl::feed_peers(const wire::InfoHash& hash, const std::vector<magnet::HostPort>& names) {
  for (const magnet::HostPort& name : names) {
    host.resolver.resolve(
        name, while_alive([this, hash](const std::vector<wire::Endpoint>& found) {
          wake([&] {
            TorrentDriver* torrent = find(hash);
            if (torrent == nullptr) return;
            torrent->on_peers_found(now, found, magnet::PeerSource::magnet);
            for (const wire::Endpoint& endpoint : found) {
              if (DhtDriver* node = dht_for(endpoint.family()))
                node->use(now, [&](dht::Node& n, dht::Output& out) { n.add_introducers(now, {&endpoint, 1}, out); });
            }
          });
        }));
  }
}

void Session::Impl::update_disk_pressure() {
  // Half of the payload memory on its way to the disk: the disk is slower than the net. Eased at a quarter.
  const std::size_t limit = host.config.block_memory / (disk_pressed ? 4 : 2);
  const bool pressed = host.disk.pressure() > limit;
  if (pressed == disk_pressed) return;
  disk_pressed = pressed;
  for (const auto& [hash, torrent] : torrents) torrent->set_disk_pressure(pressed);
}

}  // namespace lodestone::node
