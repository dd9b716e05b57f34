// SPDX-License-Identifier: Apache-2.0
// Peers' connections: accepted, dialled, given to the torrent they are about.
#include <algorithm>
#include <utility>

#include "node/net/sockets.hpp"
#include "node/ops/log.hpp"
#include "node/session_impl.hpp"

namespace lodestone::node {
namespace {

constexpr std::size_t kMaxStrangers = 100;               // incoming, no torrent named yet
constexpr std::size_t kEarlyBytesPerTorrent = 4u << 20;  // W1

}  // namespace

wire::PeerConnectionConfig Session::Impl::connection_config() const {
  wire::PeerConnectionConfig c;
  c.our_id = peer_id;
  c.dht = !dht_nodes.empty() && !config.dht_read_only;
  return c;
}

void Session::Impl::on_accept(UniqueFd socket, const wire::Endpoint& remote) {
  if (stopping || !policy.allows(remote) || strangers >= kMaxStrangers) return;
  const LinkKey key =
      links.add(now, std::move(socket), wire::PeerConnection::incoming(now, connection_config()), remote, std::nullopt);
  if (links.find(key) != nullptr) ++strangers;
}

void Session::Impl::on_dialled(Dialer::Result&& result) {
  TorrentDriver* torrent = find(result.torrent);
  if (torrent == nullptr) return;
  if (!result.socket) {
    log::debug("{}: dialling {} failed", result.torrent.hex(), result.to.text());
    torrent->on_dial_failed(now, result.to, result.socket.error());
    return;
  }
  wire::PeerConnectionConfig c = connection_config();
  c.our_extensions = torrent->extensions();
  wire::PeerConnection connection = wire::PeerConnection::outgoing(now, std::move(c), result.torrent);
  if (const wire::Geometry* geometry = torrent->geometry()) {
    wire::PeerEvents none;
    (void)connection.set_geometry(*geometry, none);
  }
  const LinkKey key = links.add(now, *std::move(result.socket), std::move(connection), result.to, result.torrent);
  if (links.find(key) == nullptr) torrent->on_dial_failed(now, result.to, magnet::DialError::local);
}

void Session::Impl::on_link_events(wire::Instant at, LinkKey key, Link& link, wire::PeerEvents& events) {
  now = at;
  ++waking;  // the torrent may ask its owner what is wanted; settling waits for on_links_served()
  give_events(key, link, events);
  --waking;
}

void Session::Impl::give_events(LinkKey key, Link& link, wire::PeerEvents& events) {
  if (!link.torrent) {
    const auto wants = std::find_if(events.begin(), events.end(), [](const wire::PeerEvent& e) {
      return std::holds_alternative<wire::peer_event::WantsTorrent>(e);
    });
    if (wants == events.end()) return;
    const wire::InfoHash wanted = std::get<wire::peer_event::WantsTorrent>(*wants).info_hash;
    answer_handshake(key, link, wanted, events);
    if (links.find(key) == nullptr) return;
  }
  TorrentDriver* torrent = find(*link.torrent);
  if (torrent == nullptr) {
    links.close(key);
    return;
  }
  const bool owed_port = std::any_of(events.begin(), events.end(), [](const wire::PeerEvent& e) {
    const auto* ready = std::get_if<wire::peer_event::Ready>(&e);
    return ready != nullptr && ready->dht;
  });
  if (owed_port) ports_due.push_back(key);
  torrent->on_link_events(now, key, link, events);
  if (torrent->info() == nullptr) bound_early_bytes(key, *torrent);
}

void Session::Impl::answer_handshake(LinkKey key, Link& link, const wire::InfoHash& wanted, wire::PeerEvents& events) {
  const TorrentDriver* torrent = find(wanted);
  if (torrent == nullptr || !torrent->wants_link(link.tcp.remote())) {
    links.drop(now, key, magnet::CloseReason::not_needed);
    return;
  }
  link.torrent = wanted;
  --strangers;
  wire::PeerConnection& connection = link.tcp.connection();
  if (const wire::Geometry* geometry = torrent->geometry()) (void)connection.set_geometry(*geometry, events);
  const auto ok = connection.adopt(now, wanted, torrent->extensions(), events);
  if (ok) return;
  if (ok.error() == wire::PeerError::connected_to_self) drop_other_end(link.tcp.remote());
  links.drop(now, key, magnet::CloseReason::protocol_error, ok.error());
}

/// We have dialled ourselves (W9), and this end knew first: the other one learns why, so that the torrent remembers the
/// endpoint as its own.
void Session::Impl::drop_other_end(const wire::Endpoint& ours) {
  LinkKey other;
  links.for_each([&](LinkKey key, Link& link) {
    if (link.tcp.connection().is_outgoing() && local_endpoint(link.tcp.socket().fd()) == ours) other = key;
  });
  links.drop(now, other, magnet::CloseReason::duplicate, wire::PeerError::connected_to_self);
}

/// Bitfields and haves that wait for the geometry are bounded per peer by the connection and per torrent here.
void Session::Impl::bound_early_bytes(LinkKey key, const TorrentDriver& torrent) {
  const Link* link = links.find(key);
  if (link == nullptr || link->tcp.connection().early_bytes() == 0) return;
  std::size_t sum = 0;
  links.for_each([&](LinkKey, const Link& l) {
    if (l.torrent == torrent.info_hash()) sum += l.tcp.connection().early_bytes();
  });
  if (sum > kEarlyBytesPerTorrent) links.drop(now, key, magnet::CloseReason::protocol_error);
}

/// After the torrent's own first words: a bitfield must come before anything else (W2).
void Session::Impl::send_ports() {
  for (const LinkKey key : ports_due) {
    Link* link = links.find(key);
    if (link == nullptr) continue;
    const DhtDriver* node = dht_for(link->tcp.remote().family());
    if (node == nullptr || config.dht_read_only) continue;
    link->tcp.connection().send(wire::peer_message::DhtPort{node->local().port});
    links.touch(key);
  }
  ports_due.clear();
}

void Session::Impl::on_link_gone(wire::Instant at, LinkKey key, Link& link, magnet::CloseReason reason,
                                 std::optional<wire::PeerError> error) {
  if (!link.torrent) {
    --strangers;
  } else if (TorrentDriver* torrent = find(*link.torrent)) {
    torrent->on_link_gone(at, key, link, reason, error);
  }
}

void Session::Impl::on_link_sent(wire::Instant at, LinkKey key, Link& link, std::uint64_t payload_bytes) {
  if (!link.torrent) return;
  if (TorrentDriver* torrent = find(*link.torrent)) torrent->on_sent(at, key, payload_bytes);
}

void Session::Impl::on_links_served() {
  now = clock();
  settle();
}

}  // namespace lodestone::node
