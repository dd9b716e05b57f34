// SPDX-License-Identifier: Apache-2.0
// What a lookup collects from those it asks, beside nodes and peers: the versions of an item (BEP 44), the filters of a
// swarm (BEP 33). A gather shapes the queries and sees the replies; whom to ask and when it is over is the lookup's
// business.
#pragma once

#include "dht/node.hpp"
#include "dht/traversal.hpp"

namespace lodestone::dht {

class Gather {
 public:
  virtual ~Gather() = default;
  /// Completes a query of the search.
  virtual void shape(Ask& ask) const = 0;
  virtual void on_reply(LookupId lookup, const Answer& answer, Output& out) = 0;
  /// The search is over; comes behind LookupDone.
  virtual void report(LookupId lookup, Output& out) = 0;
  /// The item that the closest nodes are to be told of then; nullptr: none.
  [[nodiscard]] virtual const Item* to_put() const { return nullptr; }
  /// Somebody has a newer version of it.
  [[nodiscard]] virtual bool superseded() const { return false; }
  /// The compare-and-swap number for that node.
  [[nodiscard]] virtual std::optional<std::int64_t> cas_for(const Endpoint&) const { return std::nullopt; }
};

}  // namespace lodestone::dht
