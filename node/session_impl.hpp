// SPDX-License-Identifier: Apache-2.0
// The inside of Session, by sections: session.cpp (the public face and settling), session_ports.cpp (binding),
// session_dht.cpp (DHT nodes, introducers, what they remember), session_pollination.cpp (other bootstrap nodes),
// session_links.cpp (peers' connections),
// session_torrents.cpp (starting and stopping torrents).
//
// One way of working: whatever wakes the session - a datagram, a socket, a timer, a disk result, a call of its owner -
// hands facts to the units and then calls settle(), which carries actions out, writes what was queued and tells the
// owners, until nothing is left. Owners may call back into the session from their handlers: that only adds facts, and
// the settling that is under way sees them.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "dht/hash_filter.hpp"
#include "node/drive/dht_driver.hpp"
#include "node/drive/front_thread.hpp"
#include "node/drive/link_table.hpp"
#include "node/drive/torrent_driver.hpp"
#include "node/net/acceptor.hpp"
#include "node/net/dialer.hpp"
#include "node/net/timer.hpp"
#include "node/ops/locks.hpp"
#include "node/ops/mapping.hpp"
#include "node/ops/ring_file.hpp"
#include "node/ops/state_dir.hpp"
#include "node/ops/stored_items.hpp"
#include "node/runtime_impl.hpp"
#include "node/session.hpp"
#include "wire/base/rng.hpp"

namespace lodestone::node {

/// UDP and TCP of one local address, on one port number.
struct BoundPort {
  wire::Endpoint local;
  UniqueFd udp, tcp;             // tcp: absent when the session takes no peers
  std::vector<UniqueFd> fronts;  // share the UDP port; one for each thread beside the network's
};

/// A name that leads into the DHT, asked for until it has an address.
struct Introducer {
  magnet::HostPort name;
  bool explicit_ = false;  // --bootstrap: worth a warning when its kind of address is not talked to
  bool resolved = false;
  bool asking = false;
};

/// Another bootstrap node that this one learns from.
struct Pollinator {
  magnet::HostPort name;
  std::vector<wire::Endpoint> endpoints = {};  // as the name was last looked up
  wire::Instant look_up_at = wire::Instant::min();
  bool asking = false;
};

/// What the first node of a family has stored for others, and its file.
struct StoredItems {
  wire::Family family;
  bool restored = false;  // all of the file: until then it is not written, lest it lose what is not here yet
  SavePace pace = {};
};

/// Whom the first node of a family hands out, if it is an introducer, and the file.
struct SavedRing {
  wire::Family family;
  std::string path;
  std::shared_ptr<Mapping> memory;
  bool restored = false;                          // all of the file: until then it is not written, as with items
  std::shared_ptr<Replacement> saving = nullptr;  // used on the saver's thread
};

struct Session::Impl final : LinkObserver {
  Impl(Runtime& r, SessionConfig c);
  ~Impl() override;

  // --- session.cpp ---
  [[nodiscard]] std::expected<void, StartError> start();
  /// Runs `f` as one wake-up: facts first, then settle(). One wake-up inside another (an owner's callback that calls
  /// the session) leaves the settling to the outer one.
  template <class F>
  void wake(F&& f) {
    now = clock();
    ++waking;
    f();
    if (--waking == 0) settle();
  }
  void settle();
  /// One pass over everything that may have something to do. True when there was something.
  bool settle_once();
  bool tell_owners();
  void tick();
  void finish_stopping();
  /// Wraps f for a callback that may come after this session's end: it then does nothing.
  template <class F>
  auto while_alive(F f) {
    return [self = self, f = std::move(f)](auto&&... args) {
      if (*self != nullptr) f(std::forward<decltype(args)>(args)...);
    };
  }
  [[nodiscard]] static wire::Instant clock();

  // --- session_ports.cpp ---
  [[nodiscard]] std::expected<std::vector<BoundPort>, StartError> bind_all() const;

  // --- session_dht.cpp ---
  [[nodiscard]] wire::AddressPolicy make_policy() const;
  void start_dht(std::vector<BoundPort>& ports);
  /// Threads that answer beside the nodes, each on one of the sockets of every port.
  void start_fronts(std::vector<BoundPort>& ports, const std::vector<dht::NodeConfig>& configs);
  void introduce_configured();
  void introduce(const std::vector<magnet::HostPort>& names, bool explicit_names);
  void ask_introducers();
  void on_introducer(const magnet::HostPort& name, const std::vector<wire::Endpoint>& found);
  bool dispatch_dht_events();
  /// BEP 45: a node with a small table is told of contacts of those on other addresses of its family.
  void share_contacts();
  void save_dht();
  /// Brings back what others had put here (BEP 44), a slice at a time: verified on a thread of its own, and whoever
  /// asks meanwhile finds what is there already.
  void restore_stored_items();
  void restore_next(wire::Family family, const std::shared_ptr<dht::ItemsReader>& reader);
  /// Those that are due, or `at_the_end` all that have changed.
  void save_stored_items(bool at_the_end);
  /// What the nodes have dropped until now, for the log.
  void log_counts();
  /// Has the nodes put what lies in the state directory, and only that (BEP 44).
  void look_for_items();
  [[nodiscard]] DhtDriver* dht_for(wire::Family family);

  // --- session_rings.cpp ---
  void restore_rings();
  void restore_ring_next(std::size_t which, const std::shared_ptr<RingReader>& reader);
  void save_rings();
  void save_ring_next(std::size_t which, std::size_t from);
  /// The nodes are about to end: what they have is written as it lies there.
  void save_rings_at_the_end();

  // --- session_pollination.cpp ---
  void start_pollination();
  /// Asks each once, and says when again.
  void pollinate();
  void look_up(Pollinator& pollinator);
  void take_pollen(DhtDriver& driver, const dht::event::QueryDone& answer);

  // --- session_links.cpp ---
  void on_accept(UniqueFd socket, const wire::Endpoint& remote);
  void on_dialled(Dialer::Result&& result);
  void give_events(LinkKey key, Link& link, wire::PeerEvents& events);
  void answer_handshake(LinkKey key, Link& link, const wire::InfoHash& wanted, wire::PeerEvents& events);
  void drop_other_end(const wire::Endpoint& ours);
  void bound_early_bytes(LinkKey key, const TorrentDriver& torrent);
  void send_ports();
  [[nodiscard]] wire::PeerConnectionConfig connection_config() const;
  void on_link_events(wire::Instant at, LinkKey key, Link& link, wire::PeerEvents& events) override;
  void on_link_gone(wire::Instant at, LinkKey key, Link& link, magnet::CloseReason reason,
                    std::optional<wire::PeerError> error) override;
  void on_link_sent(wire::Instant at, LinkKey key, Link& link, std::uint64_t payload_bytes) override;
  void on_links_served() override;

  // --- session_torrents.cpp ---
  [[nodiscard]] std::expected<void, StartError> add_torrent(TorrentSpec spec, EventHandler on_event);
  bool stop_requested();
  [[nodiscard]] TorrentDriver* find(const wire::InfoHash& hash) const;
  [[nodiscard]] TorrentContext context();
  void feed_peers(const wire::InfoHash& hash, const std::vector<magnet::HostPort>& names);
  void update_disk_pressure();

  Runtime& runtime;
  Runtime::Impl& host;
  SessionConfig config;
  std::shared_ptr<Impl*> self;  // null when this session is gone
  wire::Instant now;            // of this wake-up
  wire::Rng rng;
  wire::PeerId peer_id;
  wire::AddressPolicy policy;

  std::optional<StateDir> state;
  std::optional<TemporaryDir> scratch;  // for stores, when nothing is kept
  std::string store_folder;             // the one or the other's
  std::optional<FileLock> node_lock;

  std::vector<wire::Endpoint> listening;
  std::vector<std::shared_ptr<Mapping>> ring_memory;        // of each of the DHT nodes; null: it is no introducer
  std::vector<std::unique_ptr<dht::HashFilter>> announced;  // likewise; null: it has no fronts
  std::vector<std::unique_ptr<DhtDriver>> dht_nodes;
  std::vector<std::unique_ptr<FrontThread>> front_threads;  // they end before the nodes do
  std::vector<dht::Event> dht_events;                       // reused
  DhtEventHandler on_dht_event;
  std::vector<Introducer> introducers;
  wire::Duration introducer_back_off = std::chrono::seconds(5);
  Timer introducer_timer;
  std::vector<Pollinator> pollinators;
  Timer pollination_timer;
  wire::Instant pollination_hurries_until;
  wire::Instant dht_saved_at;
  wire::Instant rings_saved_at;
  wire::Duration dht_save_after;
  std::vector<StoredItems> stored_items;  // empty unless the identity is ours
  std::vector<SavedRing> saved_rings;     // likewise
  wire::Instant counts_logged_at;
  std::optional<double> first_dht_answer;
  bool restored_contacts = false;

  std::vector<std::unique_ptr<Acceptor>> acceptors;
  LinkTable links;
  Dialer dialer;
  std::vector<LinkKey> ports_due;  // peers with a DHT that we owe a PORT message
  std::size_t strangers = 0;       // incoming links that have not named their torrent yet

  magnet::MetadataBudget metadata_budget;  // of all torrents, hence before them (M1)
  std::unordered_map<wire::InfoHash, std::unique_ptr<TorrentDriver>> torrents;
  std::optional<DiskDriver::ListenerId> disk_listener;
  bool disk_pressed = false;
  std::vector<wire::InfoHash> to_stop;  // asked for by the owner, perhaps from inside a callback of the torrent itself

  Timer tick_timer;
  int waking = 0;
  bool settling = false;
  bool started = false;
  bool stopping = false;
  bool stopped = false;
  bool finishing = false;  // finish_stopping() is on its way
  std::vector<std::function<void()>> on_stopped;
};

}  // namespace lodestone::node
