// SPDX-License-Identifier: Apache-2.0
// What a Node is made of. Private to dht/node*.cpp: a router that carries facts between the units and decides nothing
// that a unit could decide.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "dht/address_votes.hpp"
#include "dht/announcer.hpp"
#include "dht/bootstrap.hpp"
#include "dht/density.hpp"
#include "dht/endpoint_memory.hpp"
#include "dht/guard.hpp"
#include "dht/introducer.hpp"
#include "dht/krpc.hpp"
#include "dht/lookup.hpp"
#include "dht/maintenance.hpp"
#include "dht/node.hpp"
#include "dht/outage.hpp"
#include "dht/own_address.hpp"
#include "dht/queries.hpp"
#include "dht/referrals.hpp"
#include "dht/republisher.hpp"
#include "dht/responder.hpp"
#include "dht/routing_table.hpp"
#include "dht/sample_times.hpp"
#include "dht/starting_points.hpp"
#include "dht/throttle.hpp"
#include "dht/traversal.hpp"
#include "dht/verifier.hpp"

namespace lodestone::dht {

inline constexpr std::size_t kMaxNamed = 32;  // contacts taken from one reply, or from another node of ours

inline Duration uniform(Duration low, Duration high, wire::Rng& rng) {
  return low + wire::from_seconds(wire::to_seconds(high - low) * rng.unit());
}

struct Node::State {
  State(Instant start, NodeConfig settings, wire::Rng generator);

  // --- what comes in (node.cpp) ---
  /// `sister`: our node on the other family, or null.
  void receive(Instant now, const Endpoint& from, Bytes datagram, const Node* sister, Output& out);
  void on_query(Instant now, const Endpoint& from, Bytes transaction, const krpc::Query& query,
                const Throttle::Visit& visit, std::size_t received, const Node* sister, Output& out);
  /// What an introducer shows to that asker instead of its table.
  struct Shown {
    HandOut own, other;
    std::size_t wanted = 0;
  };
  [[nodiscard]] Shown introduce(Instant now, const Endpoint& from, const krpc::Query& query, const Node* sister,
                                Output& out);
  /// All false when no query of ours is answered by it.
  bool on_pong(Instant now, const Endpoint& from, const krpc::Message& message, Output& out);
  /// T1: of no consequence in a private net, and where our operator has spoken.
  void heed_vote(Instant now, const wire::Address& voter, const wire::Address& says_we_are) {
    if (!config.private_net && !config.external) address_votes.vote(now, voter, says_we_are);
  }
  bool on_reply(Instant now, const Endpoint& from, const krpc::Message& message, const krpc::Reply& reply, Output& out);
  bool on_error(Instant now, const Endpoint& from, const krpc::Message& message, Output& out);
  void on_late(Instant now, const RpcTable::Late& late, Output& out);
  void advance(Instant now, Output& out);
  [[nodiscard]] Instant next_deadline() const;

  // --- who is out there (node.cpp) ---
  /// It answered us: the only way into the table.
  void heard(Instant now, const Contact& contact, Duration rtt, const ClientVersion& version, Output& out);
  /// It has asked, here or at a front.
  void greet(Instant now, const Contact& stranger, bool read_only);
  /// It was named or turned up by itself: to be verified, if the table has a use for it (T2).
  void meet(Instant now, const Contact& contact);
  /// A reply names contacts. A table that is new asks them, too, so that it is full within a minute or two and not when
  /// the refreshes of an hour have passed; no pinhole of theirs is open for us (T2).
  void told_of(Instant now, Purpose purpose, const krpc::Reply& reply);
  /// The same, of the other family: for our node there.
  void pass_on(const krpc::Reply& reply, Output& out) const;
  void unanswered(Instant now, const Contact& contact, Instant sent);
  /// Somebody has answered us.
  void connected(Instant now);
  void count_failures(Instant now);
  /// The contact store, too, may have a use for them.
  void learn(Instant now, const krpc::Reply& reply);
  void lost(Instant now, const Contact& contact);
  /// It answered with another id than it was known by (L6). True when we knew it by that: else somebody else was wrong.
  bool impostor(Instant now, const Contact& known, const NodeId& claimed, Purpose asked_for);

  // --- operations (node_operations.cpp) ---
  /// Names one run of one traversal and is never used again, so that a reply to an earlier round of an announcement,
  /// whose LookupId stays the same, does not reach the next one.
  using Run = std::uint32_t;
  struct Running {
    Run run;
    LookupId id;  // what the caller knows it by; 0: upkeep, does not count against max_lookups
    std::unique_ptr<Traversal> traversal;
  };
  /// In line until there is a contact and a free place.
  void enqueue(LookupId id, std::unique_ptr<Traversal> traversal) {
    waiting.push_back({++last_run, id, std::move(traversal)});
  }
  void start(Instant now, Running&& operation, std::span<const Endpoint> introducers, Output& out);
  [[nodiscard]] Traversal* find_running(Run run);
  /// Also one that lingers.
  [[nodiscard]] Traversal* find_asking(Run run);
  /// Lets a traversal ask and close its phases; forgets it when it is over and has nothing to hope for.
  void pump(Instant now, Run run, Output& out);
  void finished(Instant now, Run run, LookupId id, const Traversal::Outcome& outcome, Output& out);
  [[nodiscard]] bool can_start() const;
  /// Everything that is due or has become possible.
  void work(Instant now, Output& out);
  void start_waiting(Instant now, Output& out);
  void start_announcements(Instant now, Output& out);
  void start_puts(Instant now);
  void join(Instant now, Output& out);
  void keep_up(Instant now, Output& out);
  /// T6: a lookup finds k contacts, a wide bucket holds sixteen times as many. While the table is new, buckets with
  /// room are looked into again, until several lookups in a row have found nobody.
  void refreshed(Instant now);
  /// T1: looks around where the id belongs that our address asks for, and then takes it.
  void seek_id(Instant now, Output& out);
  void take_id(Instant now, Output& out);
  void verify(Instant now, Output& out);
  void keep_store(Instant now, Output& out);
  void probe(Instant now, const Contact& contact, const Key& target, Output& out);
  std::unique_ptr<Lookup> make_lookup(Instant now, LookupId id, krpc::Method method, const Key& target,
                                      std::optional<AnnounceSpec> announce, Output& out, bool traced = false);
  /// The same for what a gather collects.
  std::unique_ptr<Lookup> make_gathering(LookupId id, krpc::Method method, const Key& target,
                                         std::unique_ptr<Gather> gather);
  void take_samples(Instant now, const Pending& query, const Contact& from, const krpc::Reply& reply, Output& out);
  /// L8: most of those in the table, which takes time to get into, have ids that their addresses allow.
  [[nodiscard]] bool prefers_verified() const;
  /// And then the closest of those are among whom a lookup starts from, however many others are closer: these would
  /// name only each other. How many it has put into `out`; 0 where it does not matter.
  [[nodiscard]] std::size_t closest_verified(const Key& target, std::span<const RoutingTable::Entry*> out) const;
  std::unique_ptr<Lookup> make_silent_lookup(const Key& target, int alpha);
  /// `counters` with what the units have counted.
  void gather_counters();
  std::uint32_t ask_one(Instant now, const Endpoint& to, krpc::Method method, const Key& target, Output& out);
  void send(Instant now, const Ask& ask, Purpose purpose, std::uint32_t owner, Output& out);

  NodeConfig config;
  wire::Rng rng;
  Guard guard;
  Throttle throttle;
  Queries queries;
  RoutingTable table;
  StartingPoints beyond;  // the table
  EndpointMemory endpoints;
  Density density;
  Responder responder;
  wire::ByteVector ring_memory;            // where the caller gives none
  std::unique_ptr<Introducer> introducer;  // of the role bootstrap only
  Outage outage;
  Verifier verifier;
  Referrals referrals;
  Bootstrap bootstrap;
  Maintenance maintenance;
  Announcer announcer;
  Republisher republisher;
  OwnAddress own_address;
  AddressVotes address_votes;
  SampleTimes sample_times;
  Instant started;
  Counters counters;  // as far as no unit keeps it: see gather_counters()

  // Of the last run, until this one has got in: what is not answered at once may only be unreachable for a while.
  std::vector<SavedContact> saved;

  std::vector<Running> running;
  std::vector<Running> waiting;    // in line, first come first served
  std::vector<Running> lingering;  // over, but somebody may still answer; each has a query outstanding
  LookupId last_id = 0;
  std::uint32_t last_query = 0;
  Run last_run = 0;
  Run joining = 0;                      // the bootstrap's lookup that is under way
  Run refreshing = 0;                   // the bucket refresh that is under way,
  Key refresh_target;                   // what it looks for,
  std::size_t size_before = 0;          // and of the table when it began
  int fruitless = 0;                    // refreshes in a row after which nobody new was known
  Instant fill_until = Instant::min();  // the table is new until then
  Instant fill_next = Instant::min();   // and asks at a gentle rate
  Run moving = 0;                       // the lookup around the next id that is under way
  NodeId next_id;                       // meaningful while moving
  bool ever_answered = false;
  bool bootstrapped = false;  // said so since the table was last empty
  bool starved = false;       // some traversal had to stop asking because the rpc table was full
  Instant latest{};           // the last `now` that came in
};

}  // namespace lodestone::dht
