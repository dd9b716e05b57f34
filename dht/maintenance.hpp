// SPDX-License-Identifier: Apache-2.0
// Keeps the table true (T6): a bucket that nobody looked into for 15 min gets a lookup for a random key in it, a
// contact that has been silent for as long, or failed to answer last time, is asked again - with a find_node that can
// teach something. One of each at a time, gently spaced. Decides what; the node asks.
#pragma once

#include <optional>

#include "dht/contact.hpp"
#include "dht/routing_table.hpp"
#include "dht/rpc_table.hpp"
#include "wire/base/rng.hpp"
#include "wire/base/time.hpp"

namespace lodestone::dht {

class Maintenance {
 public:
  explicit Maintenance(wire::Duration refresh) : refresh_(refresh) {}

  struct Work {
    std::optional<Contact> ask;
    std::optional<wire::Key> look_up;
  };
  /// What is due now. With `lookup_running` no second bucket is refreshed beside the one under way.
  [[nodiscard]] Work take_due(wire::Instant now, const RoutingTable& table, const RpcTable& outstanding,
                              bool lookup_running, wire::Rng& rng);
  /// The table has got its first contact, a contact failed, or buckets have been marked stale.
  void wake(wire::Instant now) {
    if (now < next_) next_ = now;
  }
  [[nodiscard]] wire::Instant next_deadline() const { return next_; }

 private:
  wire::Duration refresh_;
  wire::Instant next_ = wire::kNever;
};

}  // namespace lodestone::dht
