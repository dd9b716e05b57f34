// SPDX-License-Identifier: Apache-2.0
// The contacts of one node, in buckets by the length of the prefix they share with our id (T3): only the bucket that
// holds our id splits, the first ones are wide, a full one keeps spares. Contacts enter only by having answered a query
// of ours (T2); two failures in a row put them out. Knows no network: somebody else asks, and reports here.
// Invariant (check_invariants): own id absent; no id and no endpoint twice; outside private nets no address twice, and
// no /24 (v6: /64) twice in a bucket (T4); every bucket within its capacity.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "dht/contact.hpp"
#include "dht/table_entry.hpp"
#include "wire/base/rng.hpp"
#include "wire/base/time.hpp"

namespace lodestone::dht {

class RoutingTable {
 public:
  using Entry = TableEntry;  // whoever is shown one may look at it until the table changes
  enum class Outcome : std::uint8_t { added, refreshed, spare, refused };

  /// `diverse` false in a private net: several nodes may share an address or a prefix (T4).
  RoutingTable(wire::Instant now, wire::Family family, const wire::NodeId& own, int k, bool diverse);

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::size_t bucket_count() const { return buckets_.size(); }
  [[nodiscard]] std::size_t spare_count() const;
  /// Memory that is held, without the allocator's overhead.
  [[nodiscard]] std::size_t bytes() const;
  [[nodiscard]] const Entry* find(const wire::NodeId& id) const;
  [[nodiscard]] const Entry* find(const wire::Endpoint& endpoint) const;  // linear
  /// Would it be let in if it answered, or at least kept as a spare? False for what is already here.
  [[nodiscard]] bool wants(const Contact& contact) const { return use_for(contact) == Use::wanted; }
  /// Why not: it is here (or ourselves), a contact of its address or prefix is (T4), or there is no room.
  enum class Use : std::uint8_t { wanted, known, crowded, full };
  [[nodiscard]] Use use_for(const Contact& contact) const;

  /// It answered a query of ours with this id. All contacts are of the table's family.
  Outcome answered(wire::Instant now, const Contact& contact, wire::Duration rtt, const ClientVersion& version = {});
  /// It was asked and did not answer. True when that put it out.
  bool failed(const Contact& contact);
  /// True when it was here: its address answers with another id (L6).
  bool evict(const Contact& contact);

  /// The XOR-closest contacts, closest first (T8), as many as there is room for; returns how many. With good_only those
  /// that failed to answer last time are passed over.
  std::size_t closest(const wire::Key& target, std::span<const Entry*> out, bool good_only) const;

  /// Who was not let in although he answered, and who has left other than by failed() and evict(), by reason.
  struct Dropped {
    std::uint64_t crowded = 0, twin = 0;  // kept out by a contact of its address or prefix, of its id
    std::uint64_t replaced = 0;           // failed, and another one of its id or address has answered
    std::uint64_t moved = 0;              // no room around our new id
    std::uint64_t demoted = 0;            // made a spare
    std::uint64_t spares = 0;             // spares that gave way
  };
  [[nodiscard]] const Dropped& dropped() const { return dropped_; }

  /// Our id has changed: the same contacts, as far as they find room, around another point.
  void move_to(const wire::NodeId& own);

  template <class F>
  void for_each(F&& f) const {
    for (const Bucket& b : buckets_)
      for (const Entry& e : b.entries) f(e);
  }
  [[nodiscard]] wire::Duration silence(wire::Instant now, const Entry& e) const {
    return std::chrono::seconds(stamp(now) - e.last_seen);
  }

  /// As close to us as the k closest we have, or closer; so is everybody while there are fewer.
  [[nodiscard]] bool is_neighbour(const wire::NodeId& id) const;

  // --- upkeep ---
  /// A lookup for that target has been made: its bucket is fresh.
  void note_lookup(wire::Instant now, const wire::Key& target);
  /// The bucket of that key wants another lookup, if it has room.
  void look_again(const wire::Key& target);
  /// All buckets but the own one want a lookup: the end of a bootstrap.
  void mark_all_stale();
  /// A random key in the bucket that has gone longest without a lookup, if that is at least `age`.
  [[nodiscard]] std::optional<wire::Key> stale_bucket(wire::Instant now, wire::Duration age, wire::Rng& rng) const;
  /// The contact silent for longest, if that is at least `age` or it failed last time, and accept(entry) holds.
  template <class Accept>
  [[nodiscard]] const Entry* questionable(wire::Instant now, wire::Duration age, Accept&& accept) const {
    const Entry* oldest = nullptr;
    for_each([&](const Entry& e) {
      if (silence(now, e) < age && e.good()) return;
      if ((oldest == nullptr || e.last_seen < oldest->last_seen) && accept(e)) oldest = &e;
    });
    return oldest;
  }
  /// When the next bucket or contact will be due for upkeep with that age; in the past if one is.
  [[nodiscard]] wire::Instant next_due(wire::Duration age) const;
  /// A random key in the bucket that this contact belongs to: what to ask it for.
  [[nodiscard]] wire::Key random_key_near(const Contact& contact, wire::Rng& rng) const;

  void check_invariants() const;

 private:
  struct Bucket {
    explicit Bucket(wire::Family family) : entries(family), spares(family) {}
    TableEntries entries;
    TableEntries spares;  // answered once, found no room; newest last
    std::uint32_t looked_up = 0;
  };
  static constexpr std::uint32_t kLongAgo = 0;
  static constexpr std::size_t kMaxSpares = 8;

  [[nodiscard]] std::uint32_t stamp(wire::Instant now) const;
  [[nodiscard]] std::size_t capacity(std::size_t bucket) const;
  [[nodiscard]] std::size_t max_spares() const { return std::min(k_, kMaxSpares); }
  [[nodiscard]] std::size_t bucket_of(const wire::NodeId& id) const;
  [[nodiscard]] Entry* find_mutable(const wire::NodeId& id);
  /// An entry beside which this contact may not stand (T4) and for which accept(entry) holds, if there is one.
  template <class Accept>
  [[nodiscard]] const Entry* rival(const Contact& contact, Accept&& accept) const;
  [[nodiscard]] wire::Key random_key(std::size_t bucket, wire::Rng& rng) const;
  /// For more than a reply's worth: sorts.
  std::size_t closest_of_all(const wire::Key& target, std::span<const Entry*> out, bool good_only) const;
  Outcome insert(const Entry& entry);
  void split();
  void trim(std::size_t bucket);
  void keep_spare(Bucket& bucket, const Entry& entry);
  void remove(const wire::NodeId& id);
  void promote(std::size_t bucket);

  wire::Instant start_;
  wire::Family family_;
  wire::NodeId own_;
  std::size_t k_;
  bool diverse_;
  std::size_t size_ = 0;
  std::vector<Bucket> buckets_;  // the last one holds our id
  Dropped dropped_;
};

}  // namespace lodestone::dht
