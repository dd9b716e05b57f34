// SPDX-License-Identifier: Apache-2.0
#include "dht/announcer.hpp"

#include <algorithm>

namespace lodestone::dht {
namespace {

constexpr Duration kEarlyPause = std::chrono::seconds(5);  // between a round and an early repetition
constexpr Duration kTinyPause = std::chrono::seconds(1);   // the same in a tiny network, where a round is a few packets
constexpr Duration kFirstRetry = std::chrono::seconds(10);  // after a round that nobody stored

}  // namespace

Announcer::Announcer(const Limits& limits)
    : k_(static_cast<std::size_t>(limits.k)),
      interval_min_(limits.announce_interval_min),
      interval_max_(limits.announce_interval_max) {}

LookupId Announcer::keep(Instant first, LookupId fresh_id, const InfoHash& info_hash, const AnnounceSpec& spec) {
  for (Kept& k : kept_) {
    if (k.round.info_hash != info_hash) continue;
    k.round.spec = spec;
    k.next = first;
    k.again = k.running;
    return k.round.id;
  }
  Kept& k = kept_.emplace_back();
  k.round = {fresh_id, info_hash, spec};
  k.next = first;
  return fresh_id;
}

std::optional<LookupId> Announcer::withdraw(const InfoHash& info_hash) {
  const auto at =
      std::find_if(kept_.begin(), kept_.end(), [&](const Kept& k) { return k.round.info_hash == info_hash; });
  if (at == kept_.end()) return std::nullopt;
  const LookupId id = at->round.id;
  kept_.erase(at);
  return id;
}

void Announcer::withdraw(LookupId id) {
  std::erase_if(kept_, [id](const Kept& k) { return k.round.id == id; });
}

std::optional<AnnounceSpec> Announcer::spec_of(const InfoHash& info_hash) const {
  for (const Kept& k : kept_)
    if (k.round.info_hash == info_hash) return k.round.spec;
  return std::nullopt;
}

std::optional<Announcer::Round> Announcer::take_due(Instant now, std::size_t table) {
  if (table == 0) return std::nullopt;
  for (Kept& k : kept_) {
    if (k.running || k.next > now) continue;
    k.running = true;
    k.newcomer = false;
    k.table_then = table;
    return k.round;
  }
  return std::nullopt;
}

void Announcer::finished(Instant now, LookupId id, std::uint32_t stored, std::size_t table, wire::Rng& rng) {
  for (Kept& k : kept_) {
    if (k.round.id != id || !k.running) continue;
    k.running = false;
    k.ended = now;
    k.failures = stored == 0 ? k.failures + 1 : 0;
    const Duration spread = interval_max_ - interval_min_;
    Duration pause = interval_min_ + wire::from_seconds(wire::to_seconds(spread) * rng.unit());
    if (k.failures > 0) pause = std::min(pause, kFirstRetry * (1u << std::min(k.failures - 1, 7u)));
    k.next = now + (k.again ? Duration::zero() : pause);
    k.again = false;
    if (stored >= table) {
      // Everybody we know has it: only who comes later makes a difference.
      k.newcomer = false;
      k.table_then = table;
    }
    hasten(now, k, table);
    return;
  }
}

void Announcer::table_grew(Instant now, std::size_t table) {
  for (Kept& k : kept_) {
    k.newcomer = k.newcomer || table <= k_;
    if (!k.running) hasten(now, k, table);
  }
}

bool Announcer::outgrown(const Kept& kept, std::size_t table) const {
  if (kept.table_then == 0 || kept.table_then >= 4 * k_) return false;
  return table >= 2 * kept.table_then || (kept.table_then < k_ && table >= k_);
}

void Announcer::hasten(Instant now, Kept& kept, std::size_t table) const {
  if (kept.table_then == 0) return;  // no round yet: the first one's time was set on purpose
  if (kept.newcomer && table <= k_) {
    kept.next = std::min(kept.next, std::max(now, kept.ended + kTinyPause));
  } else if (outgrown(kept, table)) {
    kept.next = std::min(kept.next, std::max(now, kept.ended + kEarlyPause));
  }
}

Instant Announcer::next_deadline(std::size_t table) const {
  Instant next = wire::kNever;
  if (table == 0) return next;
  for (const Kept& k : kept_)
    if (!k.running) next = std::min(next, k.next);
  return next;
}

}  // namespace lodestone::dht
