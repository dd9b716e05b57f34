// SPDX-License-Identifier: Apache-2.0
#include "dht/sample_window.hpp"

namespace lodestone::dht {

wire::Bytes SampleWindow::take(wire::Instant now, const PeerStore& store, wire::Rng& rng) {
  // As long as everything fits there is no subset to keep.
  if (now >= until_ || subset_.size() < kMax) {
    draw(store, rng);
    until_ = now + interval_;
  }
  shown_.clear();
  for (const wire::Key& hash : subset_)
    if (store.contains(hash)) shown_.insert(shown_.end(), hash.bytes().begin(), hash.bytes().end());
  return shown_;
}

void SampleWindow::draw(const PeerStore& store, wire::Rng& rng) {
  subset_.clear();
  std::size_t seen = 0;
  store.for_each_hash([&](const wire::Key& hash) {
    ++seen;
    if (subset_.size() < kMax) {
      subset_.push_back(hash);
    } else if (const std::uint64_t at = rng.below(seen); at < kMax) {
      subset_[static_cast<std::size_t>(at)] = hash;
    }
  });
}

}  // namespace lodestone::dht
