// SPDX-License-Identifier: Apache-2.0
// Where lookups start, beyond the routing table: the contact store with its keeper, what replies have named besides,
// and the ends of earlier lookups. A node that wants none has nothing of it in memory, and every question finds
// nothing. Used by Node alone. Invariant (check_invariants): in the store are only nodes that answered a query of ours,
// in this run or the one before.
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "dht/contact_store.hpp"
#include "dht/hearsay.hpp"
#include "dht/lookup_cache.hpp"
#include "dht/node.hpp"
#include "dht/store_keeper.hpp"

namespace lodestone::dht {

class StartingPoints {
 public:
  StartingPoints(Instant start, const NodeConfig& config, wire::Rng& rng);

  // --- what happens to the node ---
  /// It has joined: the store is kept from now on.
  void begin(Instant now);
  /// It answered a query of ours under this id.
  void answered(Instant now, const Contact& contact, Duration rtt);
  /// It did not answer, and that is its own failure (T5).
  void failed(const Contact& contact);
  /// It answers under another id (L6). True when it was in the store.
  bool evict(const Contact& contact);
  /// A reply names it.
  void named(Instant now, const Contact& contact);
  /// A lookup of that hash is over: who answered, closest first, and the peers that were named.
  void ended(Instant now, const Key& info_hash, std::span<const Contact> closest, std::span<const Endpoint> peers);
  void move_to(const NodeId& own);

  // --- upkeep ---
  /// Whom to ask now, and for what key; one at a time.
  struct Question {
    Contact to;
    Key target;
  };
  [[nodiscard]] std::optional<Question> take_due(Instant now, wire::Rng& rng);
  [[nodiscard]] Instant next_deadline() const { return parts_ ? parts_->keeper.next_deadline() : wire::kNever; }

  // --- looking ---
  /// Calls f(const Contact&) for those to start from: the `n` closest of the store, with prefer_verified as many again
  /// whose ids their addresses allow (L8), and those that ended the last lookup of the same key.
  template <class F>
  void for_each(Instant now, const Key& target, std::size_t n, bool prefer_verified, F&& f) const {
    if (!parts_) return;
    std::array<Contact, kMaxStored> found;
    const std::span room{found.data(), std::min(n, found.size())};
    for (const bool verified_only : {false, true}) {
      if (verified_only && !prefer_verified) break;
      const std::size_t there = parts_->store.closest(target, room, verified_only);
      for (const Contact& c : room.first(there)) f(c);
    }
    parts_->cache.for_each_node(now, target, f);
  }
  /// f(const Contact&) for the `n` closest of those that were only ever named.
  template <class F>
  void for_each_named(const Key& target, std::size_t n, F&& f) const {
    if (parts_) parts_->hearsay.for_each_near(target, n, f);
  }
  /// Peers of the last lookup of that hash; good until the next change.
  [[nodiscard]] krpc::CompactPeers peers(Instant now, const Key& info_hash) const;
  [[nodiscard]] std::size_t size() const { return parts_ ? parts_->store.size() : 0; }
  void count_in(Counters& counters) const;

  // --- across restarts ---
  void save(Instant now, UnixSeconds wall_now, Snapshot& out) const;
  template <class Allows>
  void restore(Instant now, const Snapshot& saved, UnixSeconds wall_now, wire::Rng& rng, Allows&& allows) {
    if (!parts_) return;
    restore_store(now, filtered(saved.store, allows), wall_now, rng);
    restore_lookups(now, saved.lookups, wall_now);
  }
  void check_invariants() const;

 private:
  static constexpr std::size_t kMaxStored = 16;

  struct Parts {
    ContactStore store;
    StoreKeeper keeper;
    Hearsay hearsay;
    LookupCache cache;
    std::uint64_t asked = 0;
  };

  template <class Allows>
  [[nodiscard]] static std::vector<SavedContact> filtered(const std::vector<SavedContact>& contacts, Allows&& allows) {
    std::vector<SavedContact> out;
    for (const SavedContact& c : contacts)
      if (allows(c.endpoint)) out.push_back(c);
    return out;
  }
  void restore_store(Instant now, std::vector<SavedContact> contacts, UnixSeconds wall_now, wire::Rng& rng);
  void restore_lookups(Instant now, const std::vector<SavedLookup>& lookups, UnixSeconds wall_now);

  std::unique_ptr<Parts> parts_;
};

}  // namespace lodestone::dht
