// SPDX-License-Identifier: Apache-2.0
// An operation that asks many nodes, one after the other: lookups of all kinds, bucket refreshes and the join. A
// traversal decides whom to ask and when it is over; it never sends. The node calls
//   begin - then, after every event, next() until it has nothing to ask, and settle() -
// and brings what becomes of each query back by the tag that the traversal gave it: at most one of on_reply /
// on_refused, and before it any of the steps of lateness. Nothing comes back for a tag after `lost`, on_reply or
// on_refused.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "dht/contact.hpp"
#include "dht/endpoint_memory.hpp"
#include "dht/krpc.hpp"
#include "dht/node.hpp"
#include "dht/own_address.hpp"
#include "dht/rpc_table.hpp"

namespace lodestone::dht {

/// One query that a traversal wants sent.
struct Ask {
  Endpoint to;
  std::optional<NodeId> expected;  // nullopt: an introducer, whoever answers
  krpc::Method method = krpc::Method::find_node;
  Key target;
  std::uint32_t tag = 0;
  Bytes token;  // announce_peer, put; valid until the next call
  std::uint16_t port = 0;
  bool implied_port = false;
  bool seed = false;                     // announce_peer (BEP 33)
  krpc::PeersWanted peers = {};          // get_peers (BEP 33)
  const Item* item = nullptr;            // put (BEP 44); valid until the next call
  std::optional<std::int64_t> cas = {};  // put
};

struct Answer {
  const Contact& from;  // with the id of the reply, which may be another one than somebody has named it by
  Duration rtt;
  const krpc::Reply& reply;
  const OwnAddress& own_address;
  EndpointMemory* endpoints = nullptr;  // what is known of those that it names; null: nothing
  Counters* counters = nullptr;         // for what is dropped of it; null: nobody counts
  void count(std::uint64_t Counters::* reason) const {
    if (counters != nullptr) ++(counters->*reason);
  }
};

class Traversal {
 public:
  enum class Next : std::uint8_t { wait, ask, over };
  /// What whoever started it wants to know at the end.
  struct Outcome {
    std::uint32_t answered = 0;
    std::uint32_t stored = 0;
    std::uint32_t refused = 0;  // told, but did not confirm
    std::uint32_t crowded = 0;  // candidates that were left out by L8,
    std::uint32_t liars = 0;    // and such as only a liar had named (L6)
    bool superseded = false;    // of a put: somebody has a newer version (BEP 44)
    // How far the k-th closest of those that answered is, as a share of the key space; none: fewer answered, or not
    // all were waited for.
    std::optional<double> reach = {};
    // Of a caller's get_peers: what the next one of the same hash may start from.
    bool remember = false;
    Key target = {};
    std::vector<Contact> closest = {};  // answered, closest first
    std::vector<Endpoint> peers = {};   // some of those that were named
  };

  virtual ~Traversal() = default;
  [[nodiscard]] virtual const Key& target() const = 0;
  /// Where to start: the closest contacts of the table, and introducers if those are too few.
  virtual void begin(Instant now, std::span<const Contact> closest, std::span<const Endpoint> introducers) = 0;
  /// One more to start from: after begin(), or while it runs. A contact is one from beyond the table.
  virtual void add_contact(const Contact& contact) = 0;
  /// Likewise, but one that has only ever been named.
  virtual void add_hearsay(const Contact& contact) = 0;
  virtual void add_introducer(const Endpoint& endpoint) = 0;
  /// The next query to send now, or nullopt. The caller sends what it gets.
  [[nodiscard]] virtual std::optional<Ask> next(Instant now) = 0;
  virtual void on_reply(Instant now, std::uint32_t tag, const Answer& answer, Output& out) = 0;
  /// It is alive but of no use here: an error reply with that code, or (0) another id than expected (L6).
  virtual void on_refused(Instant now, std::uint32_t tag, std::int64_t code, Output& out) = 0;
  virtual void on_late(Instant now, std::uint32_t tag, Lateness how, Output& out) = 0;
  /// Closes the phases that are over and appends their events. ask: a new phase has queries to send; over: forget it.
  [[nodiscard]] virtual Next settle(Instant now, Output& out) = 0;
  [[nodiscard]] virtual Outcome outcome() const = 0;
  /// After its end: queries are still out whose replies on_reply() would make something of (L2). It is kept for these
  /// and only for these: nothing is asked any more.
  [[nodiscard]] virtual bool hopes() const = 0;
};

}  // namespace lodestone::dht
