// SPDX-License-Identifier: Apache-2.0
// The queries of ours that wait for a reply. A reply is one only if transaction id and source endpoint match (L5); the
// ids are unpredictable. A query that is not answered becomes late in three steps: slow (its slot is given to somebody
// else, L2), overdue (no operation waits for it any more) and lost (a later reply is stray); a reply that comes before
// the last step is still matched and used.
// Invariant: every pending query has exactly one live timer; next_deadline() is the earliest of them.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <tsl/robin_map.h>

#include "wire/base/bytes.hpp"
#include "wire/base/endpoint.hpp"
#include "wire/base/id.hpp"
#include "wire/base/rng.hpp"
#include "wire/base/time.hpp"

namespace lodestone::dht {

enum class Lateness : std::uint8_t { slow, overdue, lost };

/// Who asked, so that the answer finds its way back.
enum class Purpose : std::uint8_t {
  traversal,  // owner: the traversal's id, tag: its own name for the query
  probe,      // verification and upkeep of contacts
  caller,     // Node::ping and Node::find_node_at; owner: the caller's number
};

struct Pending {
  wire::Endpoint to;
  std::optional<wire::NodeId> expected;  // nullopt: whoever lives there
  Purpose purpose = Purpose::caller;
  bool asks_nodes = false;    // where a reply can teach something
  bool asks_samples = false;  // BEP 51
  std::uint32_t owner = 0;
  std::uint32_t tag = 0;
  wire::Instant sent{};
};

/// When a query becomes late, in this order; all in the future.
struct LateTimes {
  wire::Instant slow, overdue, lost;
};

class RpcTable {
 public:
  explicit RpcTable(std::size_t max_outstanding) : max_(max_outstanding) {}

  [[nodiscard]] std::size_t size() const { return live_; }
  [[nodiscard]] bool full() const { return live_ >= max_; }
  /// Linear: for the rare questions of maintenance.
  [[nodiscard]] bool waits_for(const wire::Endpoint& to) const;

  /// Remembers a query and returns its transaction id. Not when full().
  std::uint32_t add(const Pending& query, const LateTimes& times, wire::Rng& rng);
  /// Takes out the query that this transaction id and source belong to.
  [[nodiscard]] std::optional<Pending> match(wire::Bytes transaction, const wire::Endpoint& from);

  struct Late {
    Pending query;
    Lateness how;
  };
  /// The next step of lateness that is due, one at a time; nullopt when none is. A lost query has been taken out.
  [[nodiscard]] std::optional<Late> next_late(wire::Instant now);
  [[nodiscard]] wire::Instant next_deadline() const { return timers_.empty() ? wire::kNever : timers_.front().at; }

  /// Memory for so many queries is held.
  [[nodiscard]] std::size_t capacity() const { return slots_.capacity(); }

  void check_invariants() const;

 private:
  struct Slot {
    Pending query;
    LateTimes times;
    std::uint32_t transaction = 0;
    std::uint32_t generation = 0;
    Lateness next = Lateness::slow;
    bool live = false;
  };
  struct Timer {
    wire::Instant at;
    std::uint32_t slot;
    std::uint32_t generation;
    friend bool operator>(const Timer& a, const Timer& b) { return a.at > b.at; }
  };
  [[nodiscard]] bool stale(const Timer& t) const {
    return !slots_[t.slot].live || slots_[t.slot].generation != t.generation;
  }
  void push_timer(wire::Instant at, std::uint32_t slot);
  void pop_timer();
  void drop_stale_timers();
  void release(std::uint32_t slot);
  /// What a burst has needed (a join, a lookup) is not kept when it is over.
  void give_back();

  static constexpr std::size_t kKept = 2;  // slots

  std::size_t max_;
  std::size_t live_ = 0;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;
  std::vector<Timer> timers_;  // a heap, earliest first; entries of answered queries are dropped when they come up
  tsl::robin_map<std::uint32_t, std::uint32_t> by_transaction_;  // the keys are ours and random
};

}  // namespace lodestone::dht
