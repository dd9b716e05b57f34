// SPDX-License-Identifier: Apache-2.0
// Beside the routing table, which knows its own neighbourhood best: many nodes from all over the key space that have
// answered us, in key order, so that a lookup starts some bits closer to its target. Flat, about 40 bytes a v4 node.
// Nodes enter by having answered (or from an earlier run, as far as they were alive of late). One that does not answer
// is passed over, and out the second time; one that answers under another id is out at once.
// Invariant (check_invariants): at most `capacity` nodes; own id absent; no id twice; outside private nets at most
// kPerPrefix nodes of a /24 (v6: /64): counted by a keyed hash, whose collisions make it stricter now and then.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "dht/contact.hpp"
#include "dht/sorted_records.hpp"
#include "wire/base/hash.hpp"
#include "wire/base/rng.hpp"
#include "wire/base/time.hpp"

namespace lodestone::dht {

class ContactStore {
 public:
  static constexpr std::size_t kPerPrefix = 4;

  struct Settings {
    wire::Family family = wire::Family::v4;
    std::size_t capacity = 0;  // 0: there is no store
    bool diverse = true;       // off in a private net
  };
  ContactStore(wire::Instant start, const wire::NodeId& own, const Settings& settings, wire::Rng& rng);

  [[nodiscard]] std::size_t size() const { return records_.size(); }
  /// Those that answered when they were asked last.
  [[nodiscard]] std::size_t good() const { return good_; }
  [[nodiscard]] std::size_t capacity() const { return settings_.capacity; }
  [[nodiscard]] bool full() const { return size() >= settings_.capacity; }
  [[nodiscard]] std::size_t bytes() const { return records_.bytes() + per_prefix_.capacity(); }
  [[nodiscard]] bool has(const wire::NodeId& id) const { return records_.find(wire::Key{id.bytes()}) != nullptr; }
  /// How many have left, and how many were not let in, by reason.
  struct Dropped {
    std::uint64_t silent = 0, impostor = 0, displaced = 0;
    std::uint64_t crowded = 0, no_room = 0;
  };
  [[nodiscard]] const Dropped& dropped() const { return dropped_; }

  /// It answered a query of ours under this id. False when there is no room for it.
  bool answered(wire::Instant now, const Contact& contact, wire::Duration rtt);
  /// Known from an earlier run, silent since. It is trusted if that is not long ago.
  bool restore(wire::Instant now, const Contact& contact, wire::Duration silence);
  /// It did not answer, and that is its own failure (T5).
  void failed(const Contact& contact);
  /// It answers under another id. True when it was here.
  bool evict(const Contact& contact);
  /// Our id has changed.
  void move_to(const wire::NodeId& own);

  /// The XOR-closest good ones, closest first, outside private nets one of a prefix; returns how many. At most 32. With
  /// verified_only those whose id is one that their address allows (BEP 42).
  std::size_t closest(const wire::Key& target, std::span<Contact> out, bool verified_only = false) const;
  /// The next one on the way round the key space that has been silent for so long, or failed; it counts as asked until
  /// it answers or fails. Looks at no more than `steps` records.
  [[nodiscard]] std::optional<Contact> walk(wire::Instant now, wire::Duration silence, std::size_t steps);
  /// A random key near that node, at a distance at which the store wants to learn more.
  [[nodiscard]] wire::Key key_near(const wire::NodeId& id, wire::Rng& rng) const;

  /// f(const Contact&, Duration silence, Duration rtt), in key order.
  template <class F>
  void for_each(wire::Instant now, F&& f) const {
    records_.for_each([&](const std::uint8_t* r) { f(contact_of(r), silence_of(now, r), rtt_of(r)); });
  }
  void check_invariants() const;

 private:
  // A record: id, compact endpoint, then
  //   4 bytes of seconds since start, plus kEpoch, at which it was last heard of
  //   2 bytes of round trip in ms
  //   1 byte: kFailed if it has not answered the last time, kAsked while it is being asked by the walk
  static constexpr std::size_t kTail = 7;
  static constexpr std::uint32_t kEpoch = 0x8000'0000;  // what was heard of before the start has a time, too
  static constexpr std::uint8_t kFailed = 1;
  static constexpr std::uint8_t kAsked = 2;

  [[nodiscard]] Contact contact_of(const std::uint8_t* r) const { return Contact::read_compact(r, settings_.family); }
  [[nodiscard]] const std::uint8_t* tail(const std::uint8_t* r) const {
    return r + Contact::compact_size(settings_.family);
  }
  [[nodiscard]] std::uint8_t* tail(std::uint8_t* r) const { return r + Contact::compact_size(settings_.family); }
  [[nodiscard]] bool good(const std::uint8_t* r) const { return (tail(r)[6] & kFailed) == 0; }
  [[nodiscard]] wire::Duration silence_of(wire::Instant now, const std::uint8_t* r) const;
  [[nodiscard]] wire::Duration rtt_of(const std::uint8_t* r) const {
    return std::chrono::milliseconds(wire::load_be16(tail(r) + 4));
  }
  [[nodiscard]] std::uint32_t stamp(wire::Instant now) const;
  [[nodiscard]] bool same_endpoint(const std::uint8_t* r, const Contact& contact) const;
  void write(std::uint8_t* r, const Contact& contact, std::uint32_t seen, wire::Duration rtt, std::uint8_t state);
  bool insert(const Contact& contact, std::uint32_t seen, wire::Duration rtt, std::uint8_t state);
  [[nodiscard]] bool make_room(const wire::Key& key);
  void remove(const wire::Key& key);

  [[nodiscard]] std::uint64_t prefix_hash(const wire::Endpoint& endpoint) const;
  [[nodiscard]] std::uint8_t& count_of(const wire::Endpoint& endpoint);
  void recount();

  wire::Instant start_;
  wire::NodeId own_;
  Settings settings_;
  wire::SipKey secret_;
  SortedRecords records_;
  std::vector<std::uint8_t> per_prefix_;  // how many of each prefix, by keyed hash
  std::size_t good_ = 0;
  Dropped dropped_;
  wire::Key cursor_;  // where the walk goes on
};

}  // namespace lodestone::dht
