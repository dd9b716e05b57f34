// SPDX-License-Identifier: Apache-2.0
#include "dht/republisher.hpp"

#include <algorithm>

namespace lodestone::dht {

bool Republisher::keep(Instant now, const Item& item) {
  const Key target = item.target();
  const auto at = std::find_if(kept_.begin(), kept_.end(), [&](const auto& k) { return k->target == target; });
  if (at != kept_.end()) {
    Kept& kept = **at;
    if (!item.key || item.seq <= kept.item.seq) return false;
    // The round that is under way puts the old version; its end is nobody's business any more.
    kept = {target, item, now, 0, 0, false};
    return true;
  }
  if (kept_.size() >= kMax) return false;
  kept_.push_back(std::make_unique<Kept>(Kept{target, item, now, 0, 0, false}));
  return true;
}

void Republisher::drop(const Key& target) {
  std::erase_if(kept_, [&](const auto& k) { return k->target == target; });
}

std::vector<Key> Republisher::targets() const {
  std::vector<Key> out;
  out.reserve(kept_.size());
  for (const auto& k : kept_)
    if (!k->superseded) out.push_back(k->target);
  return out;
}

const Item* Republisher::take_due(Instant now, LookupId id, std::size_t table) {
  if (table == 0) return nullptr;
  for (const auto& k : kept_) {
    if (k->superseded || k->running != 0 || k->next > now) continue;
    k->running = id;
    return &k->item;
  }
  return nullptr;
}

void Republisher::finished(Instant now, LookupId id, std::uint32_t stored, bool superseded, wire::Rng& rng) {
  const auto at = std::find_if(kept_.begin(), kept_.end(), [id](const auto& k) { return k->running == id; });
  if (id == 0 || at == kept_.end()) return;
  Kept& kept = **at;
  kept.running = 0;
  kept.superseded = superseded;
  if (stored > 0) {
    kept.failures = 0;
    kept.next = now + kShortest + wire::from_seconds(wire::to_seconds(kLongest - kShortest) * rng.unit());
    return;
  }
  Duration pause = kFirstRetry;
  for (unsigned i = 0; i < kept.failures && pause < kLastRetry; ++i) pause *= 2;
  ++kept.failures;
  kept.next = now + std::min(pause, kLastRetry);
}

Instant Republisher::next_deadline(std::size_t table) const {
  Instant next = wire::kNever;
  if (table == 0) return next;
  for (const auto& k : kept_)
    if (k->running == 0 && !k->superseded) next = std::min(next, k->next);
  return next;
}

}  // namespace lodestone::dht
