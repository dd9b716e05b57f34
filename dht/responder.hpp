// SPDX-License-Identifier: Apache-2.0
// Answers other nodes' queries (BEP 5, 32, 42 "ip"): the serving half of a node. Owns what is served - tokens and
// stored peers - and is shown the routing table. One query in, at most one datagram of at most Limits::reply_max bytes
// out, no allocation when warm (an announce for a new hash has to store it).
#pragma once

#include <string>

#include "dht/krpc.hpp"
#include "dht/node.hpp"
#include "dht/peer_store.hpp"
#include "dht/routing_table.hpp"
#include "dht/tokens.hpp"

namespace lodestone::dht {

class Responder {
 public:
  Responder(Instant now, const NodeConfig& config, wire::Rng& rng);

  /// Appends the reply or the error. Counts replies_out, announces_in, tokens_refused and store_refused.
  void answer(Instant now, const Endpoint& from, Bytes transaction, const krpc::Query& query, const RoutingTable& table,
              wire::Rng& rng, wire::DatagramBatch& out, Counters& counters);
  /// A query that could not be read: the error it deserves.
  void refuse(const Endpoint& from, const krpc::Rejected& rejected, wire::DatagramBatch& out) const;

  [[nodiscard]] PeerStore& store() { return store_; }
  [[nodiscard]] const PeerStore& store() const { return store_; }

 private:
  void announce(Instant now, const Endpoint& from, Bytes transaction, const krpc::Query& query, wire::Rng& rng,
                wire::DatagramBatch& out, Counters& counters);
  void reply(Bytes transaction, const krpc::ReplyBody& body, wire::DatagramBatch& out, Counters& counters) const;

  NodeId id_;
  std::string version_;
  Family family_;
  std::size_t k_;
  std::size_t reply_max_;
  std::size_t values_max_;
  Tokens tokens_;
  PeerStore store_;
};

}  // namespace lodestone::dht
