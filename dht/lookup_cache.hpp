// SPDX-License-Identifier: Apache-2.0
// Where the last lookup of an info-hash ended: the closest nodes and the peers that it found. The next lookup of that
// hash starts there, and its peers are told at once. A hundred bytes or a few hundred an info-hash; the one that was
// looked up longest ago gives way. What it says is old: the nodes are only asked first, the peers only tried.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "dht/contact.hpp"
#include "dht/krpc.hpp"
#include "wire/base/bytes.hpp"
#include "wire/base/endpoint.hpp"
#include "wire/base/id.hpp"
#include "wire/base/time.hpp"

namespace lodestone::dht {

class LookupCache {
 public:
  static constexpr std::size_t kNodes = 8;
  static constexpr std::size_t kPeers = 32;
  // Older than this they are not used.
  static constexpr wire::Duration kNodesFor = std::chrono::hours(24);
  static constexpr wire::Duration kPeersFor = std::chrono::hours(1);

  struct Entry {
    wire::Key info_hash;
    wire::Instant at{};      // when it was looked up
    wire::ByteVector nodes;  // compact, closest first
    wire::ByteVector peers;  // compact
  };

  LookupCache(wire::Family family, std::size_t capacity) : family_(family), capacity_(capacity) {}

  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  /// So many have given way to newer ones.
  [[nodiscard]] std::uint64_t displaced() const { return displaced_; }
  /// A lookup is over: the nodes that answered, closest first, and the peers that they named (not those that came from
  /// here: nobody shall live on in here by having been here). Without nodes it has found nothing worth remembering.
  void remember(wire::Instant now, const wire::Key& info_hash, std::span<const Contact> nodes,
                std::span<const wire::Endpoint> peers);
  /// From an earlier run. Ragged tails are cut off, too much is cut down, something newer stays.
  void restore(Entry entry);

  /// Calls f(const Contact&) for each node to start from.
  template <class F>
  void for_each_node(wire::Instant now, const wire::Key& info_hash, F&& f) const {
    const Entry* e = find(info_hash);
    if (e != nullptr && now - e->at < kNodesFor) for_each_contact(e->nodes, family_, kNodes, std::forward<F>(f));
  }
  /// Good until the next change.
  [[nodiscard]] krpc::CompactPeers peers(wire::Instant now, const wire::Key& info_hash) const;

  [[nodiscard]] const std::vector<Entry>& entries() const { return entries_; }

 private:
  [[nodiscard]] const Entry* find(const wire::Key& info_hash) const;
  Entry& place(const wire::Key& info_hash);

  wire::Family family_;
  std::size_t capacity_;
  std::vector<Entry> entries_;  // few: found by looking
  std::uint64_t displaced_ = 0;
};

}  // namespace lodestone::dht
