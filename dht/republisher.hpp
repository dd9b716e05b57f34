// SPDX-License-Identifier: Apache-2.0
// Items that are to stay in the DHT (BEP 44: a node forgets them after two hours), and when each is put again: at once
// when there is a contact, then a little more often than every hour; soon again, with back-off, when nobody stored it.
// An item of which somebody has a newer version is not put any more, whoever offers it again: its author has moved on.
// Decides when; the node runs the lookups.
// Invariant: one version of a target; at most kMax of them.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "dht/item.hpp"
#include "dht/node.hpp"

namespace lodestone::dht {

class Republisher {
 public:
  static constexpr std::size_t kMax = 1'000;
  static constexpr Duration kShortest = std::chrono::minutes(50);  // between two rounds
  static constexpr Duration kLongest = std::chrono::minutes(60);
  static constexpr Duration kFirstRetry = std::chrono::minutes(1);  // after a round that nobody stored
  static constexpr Duration kLastRetry = std::chrono::minutes(30);

  /// Keeps it put, starting now. False, and nothing changes: this version or a newer one is kept already, or there is
  /// no room. The item must be in order (value canonical, signature good).
  bool keep(Instant now, const Item& item);
  void drop(const Key& target);
  /// Of those that are being put again, in no order.
  [[nodiscard]] std::vector<Key> targets() const;

  /// The next item that is due, which counts as being put by that lookup until finished(); nullptr: none, as while the
  /// table is empty. Valid until the next call.
  [[nodiscard]] const Item* take_due(Instant now, LookupId id, std::size_t table);
  /// Ignores ids it does not know.
  void finished(Instant now, LookupId id, std::uint32_t stored, bool superseded, wire::Rng& rng);
  [[nodiscard]] Instant next_deadline(std::size_t table) const;

 private:
  struct Kept {
    Key target;
    Item item;
    Instant next{};
    LookupId running = 0;  // 0: none
    unsigned failures = 0;
    bool superseded = false;
  };

  std::vector<std::unique_ptr<Kept>> kept_;  // most nodes have none
};

}  // namespace lodestone::dht
