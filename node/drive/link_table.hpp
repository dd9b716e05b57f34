// SPDX-License-Identifier: Apache-2.0
// All TCP links of a session: reads and writes when sockets are ready, time-outs, back-pressure. What peers say goes to
// the observer, who knows the torrents. Links are named by key; a stale key finds nothing.
//
// Writing is lazy: touch() notes that a link has something to send, flush() - once at the end of a wake-up - writes it,
// so that all messages of one wake-up leave in one system call. A link that gets no block to read into is parked until
// unpark() finds free ones: the socket fills, the window closes, the peer slows down. A link that has just brought a
// lot rests for a moment before it is read again: woken for every segment, a fast reader makes its sender slow, too.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "magnet/swarm/actions.hpp"
#include "node/net/tcp_link.hpp"
#include "node/net/timer.hpp"
#include "wire/base/slab.hpp"

namespace lodestone::node {

using magnet::LinkKey;

struct Link {
  TcpLink tcp;
  std::optional<wire::InfoHash> torrent;  // incoming links: once the peer has said which
  bool joined = false;                    // the torrent knows it (on_link)
  bool dirty = false;                     // in the list of links to flush
  bool blocked = false;                   // the socket takes no more; waiting until it does
  bool parked = false;                    // no block to read into
  std::uint64_t payload_told = 0;         // of payload_out(), what the torrent has been told
};

class LinkObserver {
 public:
  virtual ~LinkObserver() = default;
  /// What the peer said, in order. May close the link.
  virtual void on_link_events(wire::Instant now, LinkKey key, Link& link, wire::PeerEvents& events) = 0;
  /// The link ended from outside; it is erased afterwards.
  virtual void on_link_gone(wire::Instant now, LinkKey key, Link& link, magnet::CloseReason reason,
                            std::optional<wire::PeerError> error) = 0;
  virtual void on_link_sent(wire::Instant now, LinkKey key, Link& link, std::uint64_t payload_bytes) = 0;
  /// All links that were ready have been served: time to settle.
  virtual void on_links_served() = 0;
};

class LinkTable {
 public:
  static constexpr wire::Duration kSweepGrain = std::chrono::milliseconds(250);

  LinkTable(asio::io_context& io, wire::BlockPool& pool, LinkObserver& observer);
  LinkTable(const LinkTable&) = delete;
  LinkTable& operator=(const LinkTable&) = delete;

  /// A stale key when the socket could not be watched.
  LinkKey add(wire::Instant now, UniqueFd socket, wire::PeerConnection connection, const wire::Endpoint& remote,
              const std::optional<wire::InfoHash>& torrent);
  [[nodiscard]] Link* find(LinkKey key) { return links_.find(key); }
  /// It has (perhaps) something to send.
  void touch(LinkKey key);
  /// Ends it; the observer is not told. Stale keys are ignored.
  void close(LinkKey key);
  /// Ends it and tells the observer.
  void drop(wire::Instant now, LinkKey key, magnet::CloseReason reason,
            std::optional<wire::PeerError> error = std::nullopt);

  /// Writes what was touched. True when there was anything to do (the observer may have new actions then).
  bool flush(wire::Instant now);
  /// Lets parked links read again, from the event loop, if blocks are free.
  void unpark();

  [[nodiscard]] std::size_t size() const { return links_.size(); }
  /// f(LinkKey, Link&); may close the link it was given.
  template <class F>
  void for_each(F&& f) {
    links_.for_each(std::forward<F>(f));
  }

 private:
  void on_ready(LinkKey key, WatchedFd::Ready ready);
  void resume();
  void read_rested();
  void read(wire::Instant now, LinkKey key, Link& link);
  void write(wire::Instant now, LinkKey key, Link& link);
  void sweep();

  asio::io_context& io_;
  wire::BlockPool& pool_;
  LinkObserver& observer_;
  wire::Slab<Link, magnet::LinkTag> links_;
  std::vector<LinkKey> dirty_, flushing_, parked_, resuming_, resting_, rested_;
  wire::PeerEvents events_;  // reused
  Timer sweep_timer_, resume_timer_, rest_timer_;
};

}  // namespace lodestone::node
