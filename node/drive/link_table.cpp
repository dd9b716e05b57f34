// SPDX-License-Identifier: Apache-2.0
#include "node/drive/link_table.hpp"

#include <algorithm>
#include <utility>

#include "node/net/clock.hpp"

namespace lodestone::node {
namespace {

/// Blocks that must be free before a parked link is woken, each: one readv of a fast peer takes about this many.
constexpr std::size_t kBlocksPerReader = 8;

/// A call that brought so many bytes was one of a fast stream; that long its next ones may gather in the socket. Short
/// against the 10 ms and more that the requests under way will last.
constexpr std::uint64_t kStreaming = 64u << 10;
constexpr wire::Duration kRest = std::chrono::microseconds(300);

magnet::CloseReason reason_of(wire::PeerError error) {
  switch (error) {
    case wire::PeerError::handshake_timeout:
    case wire::PeerError::idle_timeout: return magnet::CloseReason::no_answer;
    case wire::PeerError::connected_to_self: return magnet::CloseReason::duplicate;
    default: return magnet::CloseReason::protocol_error;
  }
}

}  // namespace

LinkTable::LinkTable(asio::io_context& io, wire::BlockPool& pool, LinkObserver& observer)
    : io_(io),
      pool_(pool),
      observer_(observer),
      sweep_timer_(io, [this] { sweep(); }),
      resume_timer_(io, [this] { resume(); }),
      rest_timer_(io, [this] { read_rested(); }) {}

LinkKey LinkTable::add(wire::Instant now, UniqueFd socket, wire::PeerConnection connection,
                       const wire::Endpoint& remote, const std::optional<wire::InfoHash>& torrent) {
  const LinkKey key = links_.emplace(Link{TcpLink{WatchedFd{}, std::move(connection), remote}, torrent});
  Link& link = *links_.find(key);
  link.tcp.socket() = WatchedFd{io_, std::move(socket), [this, key](WatchedFd::Ready ready) { on_ready(key, ready); }};
  if (!link.tcp.socket().valid()) {
    links_.erase(key);
    return key;
  }
  link.tcp.socket().want_read();
  touch(key);
  sweep_timer_.arm(std::max(link.tcp.connection().next_deadline(), now + kSweepGrain));
  return key;
}

void LinkTable::touch(LinkKey key) {
  Link* link = links_.find(key);
  if (link == nullptr || link->dirty || link->blocked) return;
  link->dirty = true;
  dirty_.push_back(key);
}

void LinkTable::close(LinkKey key) { links_.erase(key); }

void LinkTable::drop(wire::Instant now, LinkKey key, magnet::CloseReason reason, std::optional<wire::PeerError> error) {
  Link* link = links_.find(key);
  if (link == nullptr) return;
  observer_.on_link_gone(now, key, *link, reason, error);
  links_.erase(key);
}

bool LinkTable::flush(wire::Instant now) {
  if (dirty_.empty()) return false;
  flushing_.swap(dirty_);
  for (const LinkKey key : flushing_) {
    Link* link = links_.find(key);
    if (link == nullptr) continue;
    link->dirty = false;
    write(now, key, *link);
  }
  flushing_.clear();
  return true;
}

void LinkTable::unpark() {
  if (!parked_.empty() && pool_.available() >= std::min(kBlocksPerReader, pool_.capacity()))
    resume_timer_.arm(clock_now());
}

/// Reads at once instead of waiting for the socket: the bytes that wait for a block may all be inside the connection.
void LinkTable::resume() {
  resuming_.swap(parked_);
  std::size_t i = 0;
  for (; i < resuming_.size() && pool_.available() >= std::min(kBlocksPerReader, pool_.capacity()); ++i) {
    Link* link = links_.find(resuming_[i]);
    if (link == nullptr) continue;
    link->parked = false;
    read(clock_now(), resuming_[i], *link);
  }
  // The rest stays in front of those that were parked again.
  parked_.insert(parked_.begin(), resuming_.begin() + static_cast<std::ptrdiff_t>(i), resuming_.end());
  resuming_.clear();
  observer_.on_links_served();
}

void LinkTable::read_rested() {
  rested_.swap(resting_);
  for (const LinkKey key : rested_)
    if (Link* link = links_.find(key)) read(clock_now(), key, *link);
  rested_.clear();
  observer_.on_links_served();
}

void LinkTable::on_ready(LinkKey key, WatchedFd::Ready ready) {
  Link* link = links_.find(key);
  if (link == nullptr) return;
  if (ready == WatchedFd::Ready::read) {
    read(clock_now(), key, *link);
  } else {
    link->blocked = false;
    touch(key);
  }
  observer_.on_links_served();
}

void LinkTable::read(wire::Instant now, LinkKey key, Link& first) {
  events_.clear();
  const std::uint64_t before = first.tcp.connection().bytes_in();
  const TcpLink::Outcome outcome = first.tcp.read(now, pool_, events_);
  if (!events_.empty()) observer_.on_link_events(now, key, first, events_);
  events_.clear();

  Link* link = links_.find(key);  // the observer may have closed it
  if (link == nullptr) return;
  if (link->tcp.connection().wants_write()) touch(key);
  switch (outcome) {
    case TcpLink::Outcome::drained:
      if (link->tcp.connection().bytes_in() - before >= kStreaming) {
        resting_.push_back(key);
        rest_timer_.arm(now + kRest);
        break;
      }
      [[fallthrough]];
    case TcpLink::Outcome::budget:
    case TcpLink::Outcome::finished: link->tcp.socket().want_read(); break;
    case TcpLink::Outcome::starved:
      link->parked = true;
      parked_.push_back(key);
      break;
    case TcpLink::Outcome::closed: drop(now, key, magnet::CloseReason::remote_closed); break;
    case TcpLink::Outcome::broken: {
      const auto error = link->tcp.protocol_error();
      drop(now, key, error ? reason_of(*error) : magnet::CloseReason::io_error, error);
      break;
    }
  }
}

void LinkTable::write(wire::Instant now, LinkKey key, Link& link) {
  const TcpLink::Outcome outcome = link.tcp.write(now);
  const std::uint64_t payload = link.tcp.connection().payload_out();
  if (payload > link.payload_told) {
    const std::uint64_t news = payload - std::exchange(link.payload_told, payload);
    observer_.on_link_sent(now, key, link, news);
  }
  if (outcome == TcpLink::Outcome::broken) {
    drop(now, key, magnet::CloseReason::io_error);
  } else if (outcome != TcpLink::Outcome::finished) {
    link.blocked = true;
    link.tcp.socket().want_write();
  }
}

void LinkTable::sweep() {
  const wire::Instant now = clock_now();
  wire::Instant next = wire::kNever;
  links_.for_each([&](LinkKey key, Link& link) {
    wire::PeerConnection& connection = link.tcp.connection();
    if (connection.next_deadline() <= now) {
      wire::PeerEvents events;
      const auto ok = connection.advance(now, events);
      if (!events.empty()) observer_.on_link_events(now, key, link, events);
      if (!ok) drop(now, key, reason_of(ok.error()), ok.error());
      if (links_.find(key) == nullptr) return;
      touch(key);
    }
    next = std::min(next, connection.next_deadline());
  });
  if (next != wire::kNever) sweep_timer_.arm(std::max(next, now + kSweepGrain));
  observer_.on_links_served();
}

}  // namespace lodestone::node
