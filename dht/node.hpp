// SPDX-License-Identifier: Apache-2.0
// One DHT identity on one address family (BEP 5, BEP 32): routing table, rpc table, responder, lookups, maintenance,
// bootstrap. Pure: datagrams and `now` go in, datagrams and events are appended to the caller's Output, next_deadline()
// says when advance() is due. Drivers: node/drive/dht_driver, tools/sim, the fuzzers. Several identities = several
// Nodes. The id may change once others agree on our address (T1). Invariant (check_invariants): every contact in the
// table answered a query of ours; at most one per address; every outstanding transaction has a deadline that
// next_deadline() covers.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "dht/client_version.hpp"
#include "dht/contact.hpp"
#include "dht/counters.hpp"
#include "dht/item.hpp"
#include "dht/krpc.hpp"
#include "wire/base/bytes.hpp"
#include "wire/base/datagram.hpp"
#include "wire/base/endpoint.hpp"
#include "wire/base/id.hpp"
#include "wire/base/rng.hpp"
#include "wire/base/time.hpp"

namespace lodestone::dht {

class HashFilter;
class Tokens;

using wire::AddressPolicy;
using wire::Bytes;
using wire::Duration;
using wire::Endpoint;
using wire::Family;
using wire::InfoHash;
using wire::Instant;
using wire::Key;
using wire::NodeId;
using wire::UnixSeconds;

/// Every number a role, a test or a private net may want to change, in one place.
struct Limits {
  int k = 8;                                           // BEP 5
  int alpha = 4;                                       // queries in flight towards the closest
  int beta = 6;                                        // and so many more until the first value
  Duration query_timeout = std::chrono::seconds(10);   // a reply later than this is stray
  Duration slow_min = std::chrono::milliseconds(150);  // L2: the slot of a slow node is freed between these two
  Duration slow_max = std::chrono::seconds(2);
  Duration token_rotation = std::chrono::minutes(5);          // S1
  Duration peer_expiry = std::chrono::minutes(45);            // S2
  Duration announce_interval_min = std::chrono::minutes(15);  // L3
  Duration announce_interval_max = std::chrono::minutes(25);
  Duration bucket_refresh = std::chrono::minutes(15);  // T6
  Duration verify_min = std::chrono::seconds(90);      // T2: delay before an unsolicited contact is verified
  Duration verify_max = std::chrono::minutes(15);
  int early_contacts = 64;                           // T2: below this many good contacts verify at once
  int early_rate = 50;                               // T2: pings a second
  std::size_t reply_max = 1'024;                     // S3, bytes
  Duration verified_for = std::chrono::minutes(10);  // S3
  std::uint32_t unverified_burst = 8 << 10;          // S3: bytes to a prefix that has not shown that it is there
  std::uint32_t unverified_factor = 4;               // S3: and so many for each byte of its own
  double address_rate = 20, address_burst = 100;     // S4: queries a second of an address (v6: /64)
  double prefix_rate = 400, prefix_burst = 2'000;    // S4: of a /24 (v6: /48)
  std::size_t throttled_sources = 65'536;            // S4: addresses, and as many prefixes, that are remembered
  std::size_t peers_per_hash = 500;                  // S2
  std::size_t peers_total = 20'000;
  std::size_t hashes_total = 5'000;
  std::size_t peer_store_bytes = 1 << 20;  // S2: whatever the counts would allow
  std::size_t values_per_reply = 50;
  std::size_t items_total = 1'000;       // BEP 44
  std::size_t items_bytes = 512u << 10;  // memory, all told
  Duration item_expiry = std::chrono::hours(2);
  Duration sample_interval = std::chrono::hours(1);  // S6: a subset of info-hashes is shown for so long
  std::size_t contact_store = 10'000;                // verified nodes beside the table, to start lookups from; 0: none
  std::size_t store_fill_below = 2'000;
  double store_fill_rate = 200;                         // queries a second while there are fewer than that
  Duration store_fill_time = std::chrono::seconds(60);  // and no longer
  double store_upkeep_rate = 6;                         // queries a second for 10,000, in proportion above
  std::size_t cached_lookups = 64;                      // info-hashes whose last lookup is remembered; 0: none
  std::size_t remembered_endpoints = 256;               // L6: that are not what they were named as, or silent
  std::size_t max_outstanding = 2'000;
  std::size_t max_lookups = 64;  // running at once; more wait in line
  // Of an introducer (dht/introducer), of each family.
  std::size_t ring_size = 0;                       // nodes it can hand out; 0: it is none
  std::size_t ping_queue = 0;                      // T2: newcomers that wait to be verified
  std::size_t visitors = 0;                        // that are known again
  std::size_t early_ring = 1'000;                  // T2: below this many in the ring verify at once
  Duration ring_round = std::chrono::minutes(30);  // each in the ring is asked so often
  double ring_pings = 10'000;                      // and at most so many a second
  [[nodiscard]] static Limits client();            // get, seed, dht ...
  [[nodiscard]] static Limits node();              // a persistent node: larger store
  [[nodiscard]] static Limits bootstrap();         // whom newcomers ask first: whole providers behind a few addresses
  [[nodiscard]] static Limits crawler();           // asks much, stores little
};

struct NodeConfig {
  Family family = Family::v4;
  NodeId id;
  AddressPolicy policy;        // S5
  std::vector<Endpoint> ours;  // where we listen, on all our nodes: neither a contact nor a peer (BEP 45)
  /// Where our operator says that others see us: the id is one that this address may have, from the start, and what
  /// others say changes neither (T1).
  std::optional<Endpoint> external = std::nullopt;
  bool private_net = false;    // S5: lifts L8, the diversity clauses of T4
  bool read_only = false;      // T7, BEP 43: "ro" in our queries, and we answer none
  std::string version = "LD";  // "v": at most 4 bytes
  Limits limits;
  /// For the ring and what belongs to it: introducer_bytes(), zeroed, aligned to 4, to outlive the node. Memory that
  /// has not been touched need not be there. Empty: the node makes its own.
  wire::MutableBytes introducer_memory = {};
  /// Kept up to date with what is stored, for the fronts; outlives the node. Null: there are none.
  HashFilter* announced = nullptr;
};

using LookupId = std::uint32_t;

/// A node as a lookup or a table shows it.
struct NodeView {
  NodeId id;
  Endpoint endpoint;
  Duration rtt{};      // 0: unknown
  bool token = false;  // it gave a token in this lookup
};

struct LookupStats {
  Key target;
  Duration duration{};                  // from the lookup's first packet
  std::optional<Duration> first_value;  // likewise
  std::uint32_t asked = 0, answered = 0, timeouts = 0;
  std::uint32_t peers = 0;        // distinct peers found
  std::vector<NodeView> closest;  // responding nodes, closest first, at most k
};

/// What a get_peers lookup shall announce (L3, L4).
struct AnnounceSpec {
  std::uint16_t port = 0;
  bool implied_port = false;
  bool seed = false;  // BEP 33: it has all of it
};

namespace event {
/// Streamed as they come, each peer once per lookup (L1); also for a few seconds after LookupDone, from nodes that took
/// their time (L2).
struct PeersFound {
  LookupId lookup;
  InfoHash info_hash;
  Endpoint from;
  std::vector<Endpoint> peers;
};
struct LookupDone {
  LookupId lookup;
  LookupStats stats;
};
/// One query of a traced lookup, when its fate is known: before LookupDone.
struct Hop {
  enum class Source : std::uint8_t { table, store, introducer, node };  // store: or where the last lookup ended
  enum class Outcome : std::uint8_t { answered, refused, silent };      // refused: by an error, or under another id
  LookupId lookup = 0;
  Endpoint to;
  std::optional<NodeId> id;  // as it answered, else as it was known; none: an introducer that has not answered
  Source source = Source::table;
  Endpoint named_by;  // Source::node: the first that named it
  Outcome outcome = Outcome::silent;
  Duration sent{};                      // since the lookup's first packet
  std::optional<Duration> rtt;          // none: silent
  std::uint32_t named = 0, values = 0;  // nodes and peers in its reply, whatever they are worth
};
/// After LookupDone of an announcing lookup: who stored it.
struct AnnounceDone {
  LookupId lookup;
  InfoHash info_hash;
  std::vector<NodeView> stored;
  std::uint32_t refused = 0;
};
/// A verified item (BEP 44); of a mutable one each is newer than the one before. `from` is empty for what we store.
struct ItemFound {
  LookupId lookup;
  Key target;
  Item item;
  Endpoint from;
};
/// After LookupDone of a get or put: the newest there is, and how many have it.
struct ItemDone {
  LookupId lookup;
  Key target;
  std::optional<Item> item;
  std::uint32_t copies = 0;
};
/// After ItemDone of a put: who stored it.
struct PutDone {
  LookupId lookup;
  Key target;
  std::vector<NodeView> stored;
  std::uint32_t refused = 0;    // for whatever reason, or in silence
  std::uint32_t conflicts = 0;  // of these by compare-and-swap (301) or because they have a newer one (302)
};
/// After LookupDone of a scrape (BEP 33); addresses, and their standard errors.
struct ScrapeDone {
  LookupId lookup;
  InfoHash info_hash;
  double seeds = 0, seeds_error = 0, peers = 0, peers_error = 0;
  std::uint32_t nodes = 0;  // that gave filters
};
/// What one node shows of its info-hashes (BEP 51), for a sampling lookup or (lookup 0) for sample_at().
struct Samples {
  LookupId lookup;
  std::uint32_t query;
  NodeId id;
  Endpoint from;
  std::uint32_t interval = 0;  // seconds; it must not be asked sooner
  std::uint64_t num = 0;       // how many it has, as it says
  std::vector<InfoHash> hashes;
};
/// Answer to a query() of the caller: ping, find_node or sample_infohashes to one address.
struct QueryDone {
  std::uint32_t query;
  Endpoint to;
  bool answered = false;
  bool error_reply = false;
  NodeId id;
  Duration rtt{};
  std::string version;               // "v" as sent, printable form is the caller's business
  std::optional<Endpoint> external;  // "ip": how it sees us (BEP 42)
  std::vector<NodeView> nodes;       // find_node
};
/// The first node ever answered this Node, or: a running bootstrap has filled the table.
struct FirstContact {
  Endpoint from;
};
struct Bootstrapped {
  std::size_t table;
};
/// Enough others agree on our address, and our id did not match it (T1, BEP 42): it does now.
struct IdChanged {
  NodeId before;
  NodeId now;
};
}  // namespace event

using Event = std::variant<event::PeersFound, event::LookupDone, event::AnnounceDone, event::QueryDone,
                           event::FirstContact, event::Bootstrapped, event::ItemFound, event::ItemDone, event::PutDone,
                           event::ScrapeDone, event::Samples, event::IdChanged, event::Hop>;

/// Owned by the caller; every call appends. Several nodes may share one.
struct Output {
  wire::DatagramBatch datagrams;
  std::vector<Event> events;
  std::vector<Contact> other_family;  // named in replies, at most 32 in each; empty unless want_both()
  krpc::Decoder decoder;              // only used during a call
  void clear() {
    datagrams.clear();
    events.clear();
    other_family.clear();
  }
};

struct SavedContact {
  NodeId id;
  Endpoint endpoint;
  UnixSeconds last_seen = 0;  // its last reply
  Duration rtt{};             // 0: unknown; whole milliseconds are kept, at most 65,535
  bool failed = false;        // it was asked since then, in vain
  ClientVersion version{};    // what it says it is; not of the contact store
};
/// Where the last lookup of an info-hash ended: its closest nodes and last peers, both in compact form.
struct SavedLookup {
  Key info_hash;
  UnixSeconds at = 0;
  wire::ByteVector nodes = {};
  wire::ByteVector peers = {};
};
/// What the run that saved it has counted until then, to be looked at; the next run begins anew.
struct SavedCounters {
  UnixSeconds since = 0;  // the start of that run
  Counters counters = {};
};
/// What survives a restart. Encoded by dht/snapshot.
struct Snapshot {
  NodeId id;
  std::vector<SavedContact> contacts = {};  // the routing table
  UnixSeconds saved = 0;                    // when it was made; 0: unknown
  std::vector<SavedContact> store = {};     // the contact store
  std::vector<SavedLookup> lookups = {};
  std::optional<SavedCounters> run = {};
};

/// A contact that somebody vouches for: it has answered this node that long ago.
struct KnownContact {
  NodeId id;
  Endpoint endpoint;
  Duration age{};
  Duration rtt{};  // 0: unknown
};

/// What a node keeps for others, and the memory that it takes.
struct StoredSizes {
  std::size_t hashes = 0, peers = 0, peer_bytes = 0;
  std::size_t items = 0, item_bytes = 0;
};

/// What NodeConfig::introducer_memory is to have; 0 for who is no introducer.
[[nodiscard]] std::size_t introducer_bytes(Family family, const Limits& limits);

class Node {
 public:
  Node(Instant now, NodeConfig config, wire::Rng rng);
  Node(Node&&) noexcept;
  Node& operator=(Node&&) noexcept;
  ~Node();

  // --- driving ---
  /// `sister`: our node on the other family, whose contacts are shown to those who want them (BEP 32).
  void receive(Instant now, const Endpoint& from, Bytes datagram, Output& out, const Node* sister = nullptr);
  /// May be called before datagrams of these are received, in that order and 64 at a time: it changes nothing but how
  /// long that takes.
  void expect(Instant now, std::span<const Endpoint> sources);
  void advance(Instant now, Output& out);
  [[nodiscard]] Instant next_deadline() const;

  // --- joining ---
  /// Introducers: bootstrap addresses, resolved routers, x.pe and dht= contacts, PORT messages. Asked with find_node
  /// for our own id, repeated with back-off until the table fills and for ever while it is nearly empty (T9). They
  /// enter the table only by answering like nodes.
  void add_introducers(Instant now, std::span<const Endpoint> introducers, Output& out);
  /// Contacts of an earlier run: tried first, in the table only when they answer. The latest are introducers, too.
  /// `wall_now` tells how old the store and the ends of lookups are; 0: as if they had been saved this moment.
  void restore(Instant now, const Snapshot& saved, Output& out, UnixSeconds wall_now = 0);
  /// The table, the store, where lookups ended; until the node is in, also what was restored: a start without a network
  /// must not cost it.
  [[nodiscard]] Snapshot snapshot(UnixSeconds wall_now, Instant now) const;

  /// Of an introducer: another one has named it. Pinged like a newcomer; in the ring when it answers.
  void suggest(Instant now, const Endpoint& endpoint, Output& out);

  // --- fronts (dht/front): they answer for this node on other threads, and hand over what they do not ---
  /// Somebody whom a front has answered: the node gets to know him as if he had asked here.
  void met(Instant now, const Contact& stranger, bool read_only, bool served, Output& out);
  /// The next contacts of the ring, as many as there is room for: compact, one behind the other. Returns the bytes.
  std::size_t deal(wire::MutableBytes room);
  [[nodiscard]] const Tokens& tokens() const;

  /// Of an introducer: compact contacts that ring() has shown in an earlier run.
  void restore_ring(Bytes contacts);

  /// The items that others have put here (BEP 44), as dht/items_snapshot writes and reads them. What they put meanwhile
  /// stays if it is newer.
  [[nodiscard]] wire::ByteVector saved_items(UnixSeconds wall_now, Instant now) const;
  void restore_items(Instant now, std::span<const AgedItem> items);
  /// Grows with each put that is taken: what is saved before that is not up to date.
  [[nodiscard]] std::uint64_t item_puts() const;

  // --- our other nodes: one on the other family (BEP 32), more on other addresses (BEP 45) ---
  /// The table is small, and contacts that another node of ours knows or is told of would help.
  [[nodiscard]] bool wants_contacts(Instant now) const;
  /// The node on the other family wants contacts: from now on find_node asks for both, and what comes is in
  /// Output::other_family.
  void want_both(bool yes);
  /// Contacts from another node of ours, which this one asks before they count (T2). At most 32 a call, and in all as
  /// many as it wants; of the wrong family, of a kind that is not talked to (S5) or ours: none.
  void offer(Instant now, std::span<const Contact> contacts, Output& out);

  /// For the simulator: what a node that has been here since its start, and has long joined, has in its table. Contacts
  /// are at most as old as the start is; those of the shallow buckets come first.
  void assume(Instant now, std::span<const KnownContact> contacts);

  // --- asking ---
  /// Iterative get_peers; with `announce` the K closest are told. Starts at the first contact if there is none yet.
  LookupId get_peers(Instant now, const InfoHash& info_hash, std::optional<AnnounceSpec> announce, Output& out);
  /// get_peers that also tells of each query: Hop.
  LookupId trace(Instant now, const InfoHash& info_hash, Output& out);
  LookupId find_node(Instant now, const Key& target, Output& out);
  /// The newest version of an item (BEP 44): ItemFound as they come, ItemDone. `salt` is part of a mutable target.
  LookupId get_item(Instant now, const Key& target, Bytes salt, Output& out);
  /// Looks where it belongs and puts it to the k closest: like get_item, then PutDone. With `cas` a node that has a
  /// version takes it only if that is its number. The item must be in order (value canonical, signature good).
  LookupId put_item(Instant now, const Item& item, std::optional<std::int64_t> cas, Output& out);
  /// Keeps an item put: now (as soon as there is a contact) and again every hour, until it is dropped or somebody has a
  /// newer version. False when this or a newer version is kept already, or a thousand others are. Each round's events
  /// carry an id of their own.
  bool keep_item(Instant now, const Item& item, Output& out);
  void drop_item(const Key& target);
  /// Targets, in no order.
  [[nodiscard]] std::vector<Key> kept_items() const;
  /// How many seeds and peers there are (BEP 33): ScrapeDone, and PeersFound as for get_peers.
  LookupId scrape(Instant now, const InfoHash& info_hash, Output& out);
  /// Asks whoever is on the way to the target for samples (BEP 51): Samples as they come, LookupDone. A node that does
  /// not want to be asked yet is asked for nodes instead.
  LookupId sample(Instant now, const Key& target, Output& out);
  void cancel(LookupId lookup);
  /// Keeps an info-hash announced: a lookup + announce now (as soon as there is a contact, L3) and again every
  /// 15-25 min with jitter, until withdrawn. Each round's events carry the returned id. Called again it changes what is
  /// announced, and a round begins. Nothing happens before `delay` is over: our nodes on other addresses do not ask for
  /// the same thing at the same time (BEP 45).
  LookupId keep_announced(Instant now, const InfoHash& info_hash, AnnounceSpec announce, Output& out,
                          Duration delay = Duration::zero());
  void withdraw(const InfoHash& info_hash);
  /// One query to one address; QueryDone carries the returned number.
  std::uint32_t ping(Instant now, const Endpoint& to, Output& out);
  std::uint32_t find_node_at(Instant now, const Endpoint& to, const Key& target, Output& out);
  /// Samples, too, if it knows of them; nothing is sent, and QueryDone comes at once, while its interval lasts.
  std::uint32_t sample_at(Instant now, const Endpoint& to, const Key& target, Output& out);

  // --- looking ---
  [[nodiscard]] const NodeId& id() const;
  [[nodiscard]] Family family() const;
  [[nodiscard]] std::size_t table_size() const;
  [[nodiscard]] std::size_t store_size() const;  // of the contact store
  [[nodiscard]] bool ever_answered() const;      // some node has answered us since the start
  [[nodiscard]] bool offline() const;            // T5: of late nobody has
  /// Where most of those who answered lately say we are (BEP 42 "ip").
  [[nodiscard]] std::optional<Endpoint> external() const;
  [[nodiscard]] std::vector<NodeView> closest(const Key& target, std::size_t n) const;
  /// Of an introducer: the compact contacts of its ring, as they lie in memory; good until the next call that is not
  /// const. And how many newcomers wait to be verified.
  [[nodiscard]] Bytes ring() const;
  [[nodiscard]] std::size_t ring_size() const;
  [[nodiscard]] bool ring_is_young() const;  // Introducer::is_young; false for who is none
  [[nodiscard]] std::size_t ping_queue() const;
  [[nodiscard]] std::size_t stored_peers(const InfoHash& info_hash) const;
  [[nodiscard]] std::size_t stored_items() const;
  [[nodiscard]] StoredSizes stored_sizes() const;
  [[nodiscard]] const Counters& counters() const;
  void check_invariants() const;  // asserts; for tests, simulator, fuzzers

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lodestone::dht
