// SPDX-License-Identifier: Apache-2.0
// The filters of the swarms that were scraped last (BEP 33). Making a pair hashes every peer of the swarm, which for a
// large one is a thousand times the price of the query that asks for it: so a pair is good for some seconds.
#pragma once

#include <vector>

#include "dht/bloom.hpp"
#include "dht/peer_store.hpp"

namespace lodestone::dht {

class ScrapeCache {
 public:
  struct Filters {
    BloomFilter seeds;
    BloomFilter peers;
  };
  /// nullptr when nothing is stored for that hash; valid until the next call.
  [[nodiscard]] const Filters* find(wire::Instant now, const wire::Key& info_hash, const PeerStore& store);

 private:
  static constexpr std::size_t kMax = 16;
  static constexpr wire::Duration kGood = std::chrono::seconds(10);
  struct Entry {
    wire::Key info_hash;
    wire::Instant made;
    Filters filters;
  };
  std::vector<Entry> entries_;
};

}  // namespace lodestone::dht
