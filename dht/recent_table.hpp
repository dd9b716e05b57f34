// SPDX-License-Identifier: Apache-2.0
// A bounded hash table of what was seen most recently: a new key pushes out the one untouched for longest, when the
// table is full or nothing is lost with that one. Grows from nothing, in proportion to what is in it; when it has
// grown, touching allocates nothing. The hash is keyed, because strangers choose the keys. Invariant
// (check_invariants): size() <= max; every entry is in exactly one chain and once in the order of use.
#pragma once

#include <cassert>
#include <cstdint>
#include <utility>
#include <vector>

#include "wire/base/bytes.hpp"
#include "wire/base/hash.hpp"

namespace lodestone::dht {

template <class Value>
class RecentTable {
 public:
  using Slot = std::uint32_t;
  static constexpr Slot kNone = 0xffff'ffff;

  /// max >= 1.
  RecentTable(std::size_t max, const wire::SipKey& secret) : secret_(secret), max_(max) { assert(max >= 1); }

  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  /// How many were pushed out that were not idle.
  [[nodiscard]] std::uint64_t displaced() const { return displaced_; }

  /// The slot of that key, which is the most recent one now; made with Value{} if it was not there. idle(value) says
  /// that a value is worth no more than Value{}.
  template <class Idle>
  [[nodiscard]] Slot touch(std::uint64_t key, Idle&& idle) {
    if (heads_.empty()) heads_.assign(kFirstHeads, kNone);
    const std::uint32_t name = name_of(key);
    for (Slot s = heads_[home_of(name)]; s != kNone; s = entries_[s].chain) {
      if (entries_[s].key() != key) continue;
      use(s);
      return s;
    }
    Slot s = oldest_;
    const bool free = s != kNone && idle(static_cast<const Value&>(entries_[s].value));
    if (!free && entries_.size() < max_) {
      if (entries_.size() == heads_.size()) grow();
      s = static_cast<Slot>(entries_.size());
      if (entries_.size() == entries_.capacity()) entries_.reserve(entries_.size() + entries_.size() / 4 + 4);
      entries_.emplace_back();
    } else {
      displaced_ += !free;
      unchain(s);
      unlink(s);
    }
    entries_[s].set_key(key);
    entries_[s].name = name;
    entries_[s].value = Value{};
    Slot& head = heads_[home_of(name)];
    entries_[s].chain = head;
    head = s;
    link(s);
    return s;
  }
  /// The same for a key of which it is known where it was last: no hashing if it still is.
  template <class Idle>
  [[nodiscard]] Slot touch(std::uint64_t key, Slot last, Idle&& idle) {
    if (last >= entries_.size() || entries_[last].key() != key) return touch(key, std::forward<Idle>(idle));
    use(last);
    return last;
  }
  /// Where it is, or kNone; it does not count as touched.
  [[nodiscard]] Slot find(std::uint64_t key) const {
    if (heads_.empty()) return kNone;
    Slot s = heads_[home_of(name_of(key))];
    while (s != kNone && entries_[s].key() != key) s = entries_[s].chain;
    return s;
  }
  /// The key, hashed: nobody outside can tell what it is, or choose it.
  [[nodiscard]] std::uint32_t name(Slot s) const { return entries_[s].name; }
  [[nodiscard]] Value& operator[](Slot s) { return entries_[s].value; }
  [[nodiscard]] const Value& operator[](Slot s) const { return entries_[s].value; }

  void check_invariants() const {
    assert(entries_.size() <= max_);
    [[maybe_unused]] std::size_t chained = 0;
    [[maybe_unused]] std::size_t linked = 0;
    for (std::size_t h = 0; h < heads_.size(); ++h) {
      for (Slot s = heads_[h]; s != kNone; s = entries_[s].chain, ++chained) assert(home_of(entries_[s].name) == h);
    }
    for (Slot s = newest_; s != kNone; s = entries_[s].older, ++linked) {
      assert((entries_[s].older == kNone) == (s == oldest_));
    }
    assert(chained == entries_.size() && linked == entries_.size());
  }

 private:
  static constexpr std::size_t kFirstHeads = 16;  // a power of two, and doubled ever after

  struct Entry {
    std::uint32_t key_high = 0;  // in halves: it would need 8 bytes' alignment
    std::uint32_t key_low = 0;
    Value value{};
    Slot chain = kNone;
    Slot newer = kNone;
    Slot older = kNone;
    std::uint32_t name = 0;  // the key, hashed
    [[nodiscard]] std::uint64_t key() const { return std::uint64_t{key_high} << 32 | key_low; }
    void set_key(std::uint64_t key) {
      key_high = static_cast<std::uint32_t>(key >> 32);
      key_low = static_cast<std::uint32_t>(key);
    }
  };

  [[nodiscard]] std::uint32_t name_of(std::uint64_t key) const {
    std::uint8_t raw[8];
    wire::store_be64(raw, key);
    return static_cast<std::uint32_t>(wire::siphash(secret_, raw));
  }
  [[nodiscard]] std::size_t home_of(std::uint32_t name) const { return name & (heads_.size() - 1); }
  void grow() {
    heads_.assign(2 * heads_.size(), kNone);
    for (Slot s = 0; s < entries_.size(); ++s) {
      Slot& head = heads_[home_of(entries_[s].name)];
      entries_[s].chain = head;
      head = s;
    }
  }
  void unchain(Slot s) {
    Slot* at = &heads_[home_of(entries_[s].name)];
    while (*at != s) at = &entries_[*at].chain;
    *at = entries_[s].chain;
  }
  void link(Slot s) {
    entries_[s].newer = kNone;
    entries_[s].older = newest_;
    (newest_ == kNone ? oldest_ : entries_[newest_].newer) = s;
    newest_ = s;
  }
  void unlink(Slot s) {
    const Entry& e = entries_[s];
    (e.newer == kNone ? newest_ : entries_[e.newer].older) = e.older;
    (e.older == kNone ? oldest_ : entries_[e.older].newer) = e.newer;
  }
  void use(Slot s) {
    if (s == newest_) return;
    unlink(s);
    link(s);
  }

  wire::SipKey secret_;
  std::size_t max_;
  std::uint64_t displaced_ = 0;
  std::vector<Entry> entries_;
  std::vector<Slot> heads_;
  Slot newest_ = kNone;
  Slot oldest_ = kNone;
};

}  // namespace lodestone::dht
