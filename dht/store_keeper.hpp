// SPDX-License-Identifier: Apache-2.0
// Keeps the contact store large and true at a price that is known beforehand: while it holds little it is filled fast,
// for a minute, the later part of which is for hearing of more nodes than can be verified (Hearsay); ever after a few
// queries a second go to contacts that have been silent for long and, while there is room, to nodes that replies have
// named. Every query is a find_node that names more. Decides whom and when; the node asks.
// Invariant: between two queries lies at least the spacing of the pace that held at the first.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "dht/contact.hpp"
#include "dht/contact_store.hpp"
#include "wire/base/time.hpp"

namespace lodestone::dht {

class StoreKeeper {
 public:
  struct Pace {
    std::size_t fill_below = 2'000;  // good contacts; less is little
    double fill_rate = 200;          // queries a second
    wire::Duration fill_for = std::chrono::seconds(60);
    double upkeep_rate = 6;  // queries a second for 10,000 contacts, in proportion above, the same below
  };
  /// `capacity` of the store; with 0 nothing is ever due.
  StoreKeeper(std::size_t capacity, const Pace& pace);

  /// The node has joined: from now on.
  void begin(wire::Instant now);
  /// A reply has named it. Kept until somebody has time to ask it, if there is room.
  void named(wire::Instant now, const Contact& contact, const ContactStore& store);
  /// Whom to ask now, one at a time.
  [[nodiscard]] std::optional<Contact> take_due(wire::Instant now, ContactStore& store);
  [[nodiscard]] wire::Instant next_deadline() const { return next_; }
  [[nodiscard]] bool holds_little(const ContactStore& store) const { return store.good() < pace_.fill_below; }

  [[nodiscard]] std::size_t frontier() const { return named_.size(); }

 private:
  [[nodiscard]] bool fills(wire::Instant now, const ContactStore& store);
  [[nodiscard]] wire::Duration spacing(bool filling, const ContactStore& store) const;
  [[nodiscard]] std::optional<Contact> pick(wire::Instant now, bool filling, ContactStore& store);
  [[nodiscard]] std::optional<Contact> take_named(const ContactStore& store);

  std::size_t capacity_;
  Pace pace_;
  std::size_t hears_above_ = 0;  // so many good ones; 0: never
  std::size_t max_named_;
  std::vector<Contact> named_;          // in no order; the newest is asked first
  std::vector<std::uint32_t> noticed_;  // marks of endpoints that were named of late, by hash: no node is taken twice
  wire::Instant noticed_since_{};
  std::optional<wire::Instant> filling_since_;
  wire::Instant next_ = wire::kNever;
  wire::Instant not_before_ = wire::Instant::min();  // when the pace allows the next query
  bool walk_next_ = false;
};

}  // namespace lodestone::dht
