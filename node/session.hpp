// SPDX-License-Identifier: Apache-2.0
// Torrents and DHT nodes wired together on one Runtime: UDP ports with one DHT node per address and family, a TCP
// acceptor, dialler, links, stores, state directory. Used by the command line; all calls on the network thread (or
// before run()). A session names its torrents by info-hash.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <variant>
#include <vector>

#include "dht/node.hpp"
#include "magnet/swarm/torrent.hpp"
#include "magnet/uri.hpp"
#include "node/net/udp_port.hpp"
#include "node/runtime.hpp"
#include "wire/base/endpoint.hpp"

namespace lodestone::node {

struct ListenAddress {
  wire::Address address;
  std::optional<std::uint16_t> port;  // explicit: taken means failure; nullopt: by PortRule
};

enum class PortRule : std::uint8_t { ephemeral, first_free_6881_6999 };

struct SessionConfig {
  std::vector<ListenAddress> listen;  // empty: wildcards of both families
  PortRule port_rule = PortRule::ephemeral;
  bool v4 = true, v6 = true;
  bool dht = true;
  bool dht_read_only = false;  // T7
  bool tcp = true;             // false: `dht ...` commands, UDP only
  bool private_net = false;
  bool pex = true;
  std::vector<magnet::HostPort> bootstrap;       // replaces the built-in routers when not empty
  bool use_builtin_routers = true;               // --no-bootstrap: false; a private net never asks them
  std::vector<magnet::HostPort> explicit_peers;  // --peer: their kinds of address are talked to (S5), nothing else
  std::string state_dir;                         // empty: nothing is kept
  bool owns_identity = false;  // `node`: keeps the saved DHT id (D6); others start from the snapshot with a fresh id
  std::vector<wire::Address> external_ips;  // of our operator: where others see us; at most one of each family
  dht::Limits dht_limits = dht::Limits::client();
  wire::Duration ring_save_interval = std::chrono::hours(1);
  std::vector<magnet::HostPort> pollinate;  // other bootstrap nodes, for an introducer's ring to be filled from
  std::size_t dht_threads = 1;              // that answer for an introducer; more than one: no torrents, no TCP
  std::size_t max_peers = 80;               // per torrent
  std::string client = "Lodestone/0.1";
};

/// Why a session or a torrent could not be started; the CLI maps it to an exit code.
struct StartError {
  enum class Kind : std::uint8_t { port_taken, no_interface, state_dir, conflict, storage, unsupported } kind;
  std::string subject;  // "0.0.0.0:6881", a path
  std::string cause;    // errno's text, "locked by process 1234"
};

struct TorrentSpec {
  wire::InfoHash info_hash;
  std::shared_ptr<const magnet::Info> info;  // from a .torrent file; null: by metadata
  wire::ByteVector raw_info;
  std::vector<magnet::HostPort> peers;  // x.pe: a stranger's words, kept to the session's kinds of address (S5)
  std::vector<magnet::HostPort> explicit_peers;  // --peer: grant their kinds of address
  std::vector<magnet::HostPort> dht_nodes;       // dht=, nodes of a .torrent
  std::string download_dir;
  /// Decides which files are wanted, once they are known; empty: all.
  std::function<std::vector<bool>(const magnet::Info&)> wanted;
  bool metadata_only = false;
  bool sequential = false;
  bool force = false;
  bool seed_after = false;  // keep serving when finished
  bool use_dht = true, use_pex = true;
  bool announce = true;
  std::size_t max_peers = 80;
};

/// What a torrent's owner is told, on the network thread.
namespace session_event {
struct PhaseChanged {
  magnet::Phase phase;
};
struct Metadata {
  std::shared_ptr<const magnet::Info> info;
  wire::ByteVector raw;
};
struct Finished {};
/// On change of reason; none: moving again.
struct Stalled {
  magnet::StallReason reason;
  std::string_view code;
  std::string detail, hint;
};
struct Failed {
  storage::Trouble trouble;
  std::string bad_metadata;  // not empty: the info dict fits its hash but is no use; why, in one line
};
/// Nodes that hold our announce after a round.
struct Announced {
  std::uint32_t stored;
};
struct Stopped {};  // state is saved, the lock released
}  // namespace session_event
using SessionEvent =
    std::variant<session_event::PhaseChanged, session_event::Metadata, session_event::Finished, session_event::Stalled,
                 session_event::Failed, session_event::Announced, session_event::Stopped>;

/// Seconds since process start at which something first happened; nullopt: not yet.
struct TorrentTimes {
  std::optional<double> first_dht_answer, first_peer, metadata, opened, finished;
};

struct DhtStatus {
  struct One {
    wire::Family family;
    wire::NodeId id;
    wire::Endpoint local;
    std::optional<wire::Endpoint> external;
    std::size_t table = 0;
    std::size_t ring = 0;        // of an introducer: whom it hands out,
    std::size_t ping_queue = 0;  // and who waits to be verified
    std::size_t store = 0;       // contacts beside the table
    bool ever_answered = false;
    bool offline = false;     // T5: of late nobody has
    dht::StoredSizes stored;  // for others
    dht::Counters counters;
    UdpPort::Counters port;
  };
  std::vector<One> nodes;
  [[nodiscard]] std::size_t table() const;
  [[nodiscard]] std::size_t ring() const;
  [[nodiscard]] bool ever_answered() const;
};

class Session {
 public:
  Session(Runtime& runtime, SessionConfig config);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// Binds, loads state, starts the DHT.
  [[nodiscard]] std::expected<void, StartError> start();
  /// The bound addresses (UDP and TCP share the port number where both are used).
  [[nodiscard]] std::vector<wire::Endpoint> listening() const;

  // --- torrents ---
  using EventHandler = std::function<void(const SessionEvent&)>;
  [[nodiscard]] std::expected<void, StartError> add_torrent(TorrentSpec spec, EventHandler on_event);
  /// Saves and closes; Stopped follows. Unknown hashes are ignored.
  void stop_torrent(const wire::InfoHash& info_hash);
  [[nodiscard]] std::optional<magnet::TorrentStatus> status(const wire::InfoHash& info_hash) const;
  [[nodiscard]] std::vector<magnet::PeerInfo> peers(const wire::InfoHash& info_hash) const;
  [[nodiscard]] TorrentTimes times(const wire::InfoHash& info_hash) const;
  /// Nodes asked by this torrent's lookups so far.
  [[nodiscard]] std::size_t dht_asked(const wire::InfoHash& info_hash) const;
  /// Bytes that unfinished metadata of all torrents may take up now; at most MetadataBudget::kTotal (M1).
  [[nodiscard]] std::uint64_t metadata_memory() const;

  // --- DHT for the `dht ...` commands and `node` ---
  [[nodiscard]] DhtStatus dht_status() const;
  /// Other names to start from than those of the configuration, while it runs. All are asked for their addresses anew;
  /// nodes that have been met through the old ones stay known.
  void set_bootstrap(std::vector<magnet::HostPort> names, bool use_builtin_routers);
  using DhtEventHandler = std::function<void(wire::Family, const dht::Event&)>;
  /// Sees every event of every DHT node that no torrent claims.
  void on_dht_event(DhtEventHandler handler);
  struct DhtNodeRef {
    wire::Family family;
    dht::LookupId lookup;
  };
  /// On one node of each family.
  std::vector<DhtNodeRef> dht_get_peers(const wire::InfoHash& info_hash, std::optional<dht::AnnounceSpec> announce);
  /// dht_get_peers that also tells of each query (event::Hop).
  std::vector<DhtNodeRef> dht_trace(const wire::InfoHash& info_hash);
  std::vector<DhtNodeRef> dht_find_node(const wire::Key& target);
  /// false: no node of that family.
  std::vector<DhtNodeRef> dht_get_item(const wire::Key& target, wire::Bytes salt);
  std::vector<DhtNodeRef> dht_put_item(const dht::Item& item, std::optional<std::int64_t> cas);
  std::vector<DhtNodeRef> dht_sample(const wire::Key& target);
  bool dht_sample_at(const wire::Endpoint& to, const wire::Key& target);
  bool dht_ping(const wire::Endpoint& to);
  bool dht_find_node_at(const wire::Endpoint& to, const wire::Key& target);

  /// Resolves names on a helper thread, then calls back on the network thread.
  void resolve(std::vector<magnet::HostPort> names, std::function<void(std::vector<wire::Endpoint>)> done);

  /// Stops all torrents, saves the DHT, closes; then calls `done` once on the network thread.
  void stop(std::function<void()> done);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Seconds since the process started (get's "elapsed").
[[nodiscard]] double seconds_since_process_start();

}  // namespace lodestone::node
