// SPDX-License-Identifier: Apache-2.0
// The items that others put here (BEP 44), with the rules of S8: signature, number, compare-and-swap. Bounded in items
// and in bytes; when it is full the item farthest from our id makes room, and what would itself be the farthest is
// refused. An item that nobody puts again is dropped after `expiry`.
// Invariant: every item is canonical, is signed if it has a key, and lies under its own target; bytes() <= caps.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "dht/item.hpp"
#include "wire/base/bencode.hpp"
#include "wire/base/id.hpp"
#include "wire/base/time.hpp"

namespace lodestone::dht {

class Items {
 public:
  struct Caps {
    std::size_t items;
    std::size_t bytes;  // of memory, as counted by cost()
    wire::Duration expiry;
  };
  Items(wire::Instant now, const wire::NodeId& own, const Caps& caps);

  /// The numbers are BEP 44's error codes.
  enum class Verdict : std::uint16_t {
    stored = 0,
    refreshed = 1,  // it was here already
    full = 202,
    not_canonical = 203,
    value_too_big = 205,
    bad_signature = 206,
    salt_too_big = 207,
    cas_mismatch = 301,
    seq_too_low = 302,
  };
  Verdict put(wire::Instant now, const ItemView& item, std::optional<std::int64_t> cas);
  /// An item of an earlier run, put that long ago. Like put(), but who made the VerifiedItem vouches for it. False:
  /// expired, no room, or what is here is as new.
  bool restore(wire::Instant now, const AgedItem& aged);
  /// False when it is full of items that are closer to us: no token is given out then (S1).
  [[nodiscard]] bool accepts(const wire::Key& target) const;
  /// The view is valid until the next call of a non-const member.
  [[nodiscard]] std::optional<ItemView> find(wire::Instant now, const wire::Key& target) const;

  [[nodiscard]] std::size_t size() const { return items_.size(); }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  /// How often put() has taken something, be it to refresh what was here.
  [[nodiscard]] std::uint64_t puts() const { return puts_; }
  /// Items that are gone: by age, and for closer ones.
  [[nodiscard]] std::uint64_t expired() const { return expired_; }
  [[nodiscard]] std::uint64_t displaced() const { return displaced_; }

  /// f(const ItemView&, age) for each that has not expired.
  template <class F>
  void for_each(wire::Instant now, F&& f) const {
    for (const auto& [d, stored] : items_)
      if (!expired(now, stored)) f(view_of(stored), now - stored.put_at);
  }

  /// Our id has changed: distances are measured from this one now.
  void move_to(const wire::NodeId& own);
  /// Drops what has expired. Due at next_sweep().
  void sweep(wire::Instant now);
  [[nodiscard]] wire::Instant next_sweep() const { return items_.empty() ? wire::kNever : next_sweep_; }

  void check_invariants() const;

 private:
  /// One piece of memory holds it all: value, salt, and for a mutable item key, signature and number.
  struct Stored {
    wire::ByteVector blob;
    std::uint16_t value_size = 0;
    std::uint8_t salt_size = 0;
    bool is_mutable = false;
    wire::Instant put_at{};
  };
  using Map = std::map<wire::Distance, Stored>;  // by distance to our id: the farthest is the last

  [[nodiscard]] static Stored pack(wire::Instant put_at, const ItemView& item);
  [[nodiscard]] static ItemView view_of(const Stored& stored);
  /// What it costs us: blob, tree node and the allocator's share.
  [[nodiscard]] static std::size_t cost(const Stored& stored);
  [[nodiscard]] bool expired(wire::Instant now, const Stored& stored) const;
  /// Everything that can be said without the store and without the price of a signature.
  [[nodiscard]] std::optional<Verdict> malformed(const ItemView& item);
  /// For a well-formed item: what put() comes to. `vouched`: its signature has been verified.
  Verdict place(wire::Instant now, wire::Instant put_at, const ItemView& item, std::optional<std::int64_t> cas,
                bool vouched);
  [[nodiscard]] bool make_room(const wire::Distance& d, std::size_t bytes, std::size_t freed, bool is_new);
  Map::iterator erase(Map::iterator at);

  wire::NodeId own_;
  Caps caps_;
  wire::Instant next_sweep_;
  std::size_t bytes_ = 0;
  std::uint64_t puts_ = 0;
  std::uint64_t expired_ = 0;
  std::uint64_t displaced_ = 0;
  Map items_;
  wire::bencode::Document scratch_;
};

}  // namespace lodestone::dht
