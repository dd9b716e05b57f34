// SPDX-License-Identifier: Apache-2.0
#include "dht/scrape_cache.hpp"

#include <algorithm>

namespace lodestone::dht {

const ScrapeCache::Filters* ScrapeCache::find(wire::Instant now, const wire::Key& info_hash, const PeerStore& store) {
  const auto known =
      std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.info_hash == info_hash; });
  if (known != entries_.end() && now - known->made < kGood) return &known->filters;
  Filters filters;
  if (!store.count_in(now, info_hash, filters.seeds, filters.peers)) return nullptr;
  Entry* place = nullptr;
  if (known != entries_.end()) {
    place = &*known;
  } else if (entries_.size() < kMax) {
    place = &entries_.emplace_back();
  } else {
    place = &*std::min_element(entries_.begin(), entries_.end(),
                               [](const Entry& a, const Entry& b) { return a.made < b.made; });
  }
  *place = {info_hash, now, filters};
  return &place->filters;
}

}  // namespace lodestone::dht
