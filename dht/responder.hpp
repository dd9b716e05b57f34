// SPDX-License-Identifier: Apache-2.0
// Answers other nodes' queries (BEP 5, 32, 33, 42 "ip", 44, 51): the serving half of a node. Owns what is served -
// tokens, stored peers and items - and is shown the routing table. One query in, at most one datagram of at most
// Limits::reply_max bytes out (1,500 with an item, S3), no allocation when warm (what is new has to be stored).
#pragma once

#include <algorithm>
#include <string>

#include "dht/hash_filter.hpp"
#include "dht/items.hpp"
#include "dht/krpc.hpp"
#include "dht/node.hpp"
#include "dht/peer_store.hpp"
#include "dht/routing_table.hpp"
#include "dht/sample_window.hpp"
#include "dht/scrape_cache.hpp"
#include "dht/tokens.hpp"

namespace lodestone::dht {

class Responder {
 public:
  Responder(Instant now, const NodeConfig& config, wire::Rng& rng);

  /// The routing tables to answer from; `other` (may be null) is that of our node on the other family (BEP 32). Of an
  /// introducer also the compact contacts that it shows instead, one behind the other, and how many they should be:
  /// where there are fewer, the tables help out.
  struct Tables {
    const RoutingTable& own;
    const RoutingTable* other = nullptr;
    Bytes shown = {};
    Bytes other_shown = {};
    std::size_t shown_wanted = 0;
  };
  /// Appends the reply or the error, if `room` bytes are enough for it; a reply that is short of room has no filters,
  /// fewer nodes, then fewer values (S3). True when the query has echoed a token that we gave out: its source is where
  /// it says. Counts replies_out, announces_in, puts_in and what is refused.
  bool answer(Instant now, const Endpoint& from, Bytes transaction, const krpc::Query& query, std::size_t room,
              const Tables& tables, wire::Rng& rng, wire::DatagramBatch& out, Counters& counters);
  /// A query that could not be read: the error it deserves.
  void refuse(const Endpoint& from, const krpc::Rejected& rejected, std::size_t room, wire::DatagramBatch& out,
              Counters& counters);

  [[nodiscard]] PeerStore& store() { return store_; }
  [[nodiscard]] const PeerStore& store() const { return store_; }
  [[nodiscard]] Items& items() { return items_; }
  [[nodiscard]] const Items& items() const { return items_; }

  /// For whoever answers under the same secrets elsewhere (Front).
  [[nodiscard]] const Tokens& tokens() const { return tokens_; }
  void adopt(const Tokens& tokens) { tokens_ = tokens; }

  /// Our id has changed (T1).
  void move_to(const NodeId& id);
  /// Drops what has expired. Due at next_sweep().
  void sweep(Instant now);
  [[nodiscard]] Instant next_sweep() const { return std::min(store_.next_sweep(), items_.next_sweep()); }

 private:
  void nodes(Instant now, const Endpoint& from, Bytes transaction, const krpc::Query& query, const Tables& tables,
             wire::Rng& rng, wire::DatagramBatch& out, Counters& counters);
  void announce(Instant now, const Endpoint& from, Bytes transaction, const krpc::Query& query, wire::Rng& rng,
                wire::DatagramBatch& out, Counters& counters);
  void put(Instant now, const Endpoint& from, Bytes transaction, const krpc::Query& query, wire::Rng& rng,
           wire::DatagramBatch& out, Counters& counters);
  void reply(Bytes transaction, const krpc::ReplyBody& body, wire::DatagramBatch& out, Counters& counters) const;
  void refuse(const Endpoint& from, const krpc::Rejected& rejected, wire::DatagramBatch& out, Counters& counters) const;
  /// At most `max` bytes, or what this asker has room for.
  [[nodiscard]] std::size_t within_room(std::size_t max) const { return max < room_ ? max : room_; }

  NodeId id_;
  std::string version_;
  Family family_;
  std::size_t k_;
  std::size_t reply_max_;
  std::size_t values_max_;
  Tokens tokens_;
  PeerStore store_;
  Items items_;
  SampleWindow samples_;
  ScrapeCache scrapes_;
  HashFilter* announced_;  // null: nobody else answers
  // Of the query that is being answered.
  std::size_t room_ = 0;
  bool token_echoed_ = false;
};

}  // namespace lodestone::dht
