// SPDX-License-Identifier: Apache-2.0
// Our queries on their way: encodes them into the send arena, remembers them in the rpc table, and decides from the
// round trips seen so far when each is slow (L2), not worth waiting for any more (L1), and lost.
#pragma once

#include <optional>
#include <string>

#include "dht/node.hpp"
#include "dht/rpc_table.hpp"
#include "dht/rtt_estimator.hpp"
#include "dht/traversal.hpp"

namespace lodestone::dht {

class Queries {
 public:
  explicit Queries(const NodeConfig& config);

  /// What our queries say from now on (T1).
  void set_id(const NodeId& id) { id_ = id; }
  /// Whether they ask for nodes of both families (BEP 32): find_node only. In the answer to a get_peers nodes of the
  /// other family would take the place of peers.
  void want_both(bool yes) { want_both_ = yes; }
  [[nodiscard]] bool wants_both() const { return want_both_; }
  [[nodiscard]] bool full() const { return table_.full(); }
  [[nodiscard]] const RpcTable& table() const { return table_; }
  /// Not when full(). `usual_rtt` is what the contact's round trip is known to be, zero if it is not.
  void send(Instant now, const Ask& ask, Purpose purpose, std::uint32_t owner, Duration usual_rtt, wire::Rng& rng,
            wire::DatagramBatch& out);
  /// The query that a reply belongs to (L5). A matched reply tells the round trip; an error reply does so too.
  [[nodiscard]] std::optional<Pending> match(Instant now, Bytes transaction, const Endpoint& from);
  [[nodiscard]] std::optional<RpcTable::Late> next_late(Instant now) { return table_.next_late(now); }
  [[nodiscard]] Instant next_deadline() const { return table_.next_deadline(); }

 private:
  // Below this many samples the quantiles say little.
  static constexpr std::uint32_t kEnoughSamples = 16;

  [[nodiscard]] LateTimes late_times(Instant now, Duration usual_rtt) const;

  NodeId id_;
  std::string version_;
  bool read_only_;
  bool want_both_ = false;
  Duration slow_min_, slow_max_, timeout_;
  RpcTable table_;
  RttEstimator rtt_;
};

}  // namespace lodestone::dht
