// SPDX-License-Identifier: Apache-2.0
#include "dht/starting_points.hpp"

#include <algorithm>
#include <bit>

namespace lodestone::dht {
namespace {

constexpr UnixSeconds kOldest = 365 * 86'400;  // nothing that was saved counts as older

Duration age(UnixSeconds then, UnixSeconds wall_now) {
  return std::chrono::seconds(std::clamp<UnixSeconds>(wall_now - std::min(then, wall_now), 0, kOldest));
}

/// Denser than the store will be for a long time. What fills a store in its first minute is told of tens of thousands,
/// and whoever lies close enough to be a target's own is worth his 26 bytes.
std::size_t hearsay_places(std::size_t contact_store) {
  constexpr std::size_t kHasLargeStore = 4'096, kAllThatIsHeard = 1u << 17;
  if (contact_store == 0) return 0;
  const std::size_t as_many = std::clamp<std::size_t>(std::bit_ceil(contact_store), 2, 1u << 24);
  return contact_store < kHasLargeStore ? as_many : std::max(as_many, kAllThatIsHeard);
}

UnixSeconds seconds(Duration d) { return std::chrono::duration_cast<std::chrono::seconds>(d).count(); }

}  // namespace

StartingPoints::StartingPoints(Instant start, const NodeConfig& config, wire::Rng& rng) {
  const Limits& l = config.limits;
  if (l.contact_store == 0 && l.cached_lookups == 0) return;
  const ContactStore::Settings settings{config.family, l.contact_store, !config.private_net};
  const StoreKeeper::Pace pace{l.store_fill_below, l.store_fill_rate, l.store_fill_time, l.store_upkeep_rate};
  parts_ = std::make_unique<Parts>(
      Parts{ContactStore{start, config.id, settings, rng}, StoreKeeper{l.contact_store, pace},
            Hearsay{config.family, hearsay_places(l.contact_store)}, LookupCache{config.family, l.cached_lookups}});
}

void StartingPoints::begin(Instant now) {
  if (parts_) parts_->keeper.begin(now);
}

void StartingPoints::answered(Instant now, const Contact& contact, Duration rtt) {
  if (!parts_) return;
  parts_->store.answered(now, contact, rtt);
  parts_->hearsay.settled(contact);
}

void StartingPoints::failed(const Contact& contact) {
  if (!parts_) return;
  parts_->store.failed(contact);
  parts_->hearsay.settled(contact);
}

bool StartingPoints::evict(const Contact& contact) {
  if (!parts_) return false;
  parts_->hearsay.settled(contact);
  return parts_->store.evict(contact);
}

void StartingPoints::named(Instant now, const Contact& contact) {
  if (!parts_ || parts_->store.has(contact.id)) return;
  parts_->hearsay.named(contact);
  parts_->keeper.named(now, contact, parts_->store);
}

void StartingPoints::ended(Instant now, const Key& info_hash, std::span<const Contact> closest,
                           std::span<const Endpoint> peers) {
  if (parts_) parts_->cache.remember(now, info_hash, closest, peers);
}

void StartingPoints::move_to(const NodeId& own) {
  if (parts_) parts_->store.move_to(own);
}

std::optional<StartingPoints::Question> StartingPoints::take_due(Instant now, wire::Rng& rng) {
  if (!parts_) return std::nullopt;
  const auto contact = parts_->keeper.take_due(now, parts_->store);
  if (!contact) return std::nullopt;
  ++parts_->asked;
  // A node that is asked for its own surroundings names its neighbours, these theirs, and the store would know a few
  // corners of the key space well and the rest not at all. What is near comes when all is covered.
  const bool anywhere = parts_->keeper.holds_little(parts_->store);
  return Question{*contact, anywhere ? rng.id<Key>() : parts_->store.key_near(contact->id, rng)};
}

krpc::CompactPeers StartingPoints::peers(Instant now, const Key& info_hash) const {
  return parts_ ? parts_->cache.peers(now, info_hash) : krpc::CompactPeers{};
}

void StartingPoints::count_in(Counters& counters) const {
  if (!parts_) return;
  const ContactStore::Dropped& dropped = parts_->store.dropped();
  counters.store_silent = dropped.silent;
  counters.store_impostor = dropped.impostor;
  counters.store_displaced = dropped.displaced;
  counters.store_crowded = dropped.crowded;
  counters.store_no_room = dropped.no_room;
  counters.store_asked = parts_->asked;
  counters.lookups_forgotten = parts_->cache.displaced();
}

void StartingPoints::save(Instant now, UnixSeconds wall_now, Snapshot& out) const {
  if (!parts_) return;
  out.store.reserve(parts_->store.size());
  parts_->store.for_each(now, [&](const Contact& c, Duration silence, Duration rtt) {
    out.store.push_back({c.id, c.endpoint, wall_now - seconds(silence), rtt, false});
  });
  for (const LookupCache::Entry& e : parts_->cache.entries())
    out.lookups.push_back({e.info_hash, wall_now - seconds(now - e.at), e.nodes, e.peers});
}

void StartingPoints::restore_store(Instant now, std::vector<SavedContact> contacts, UnixSeconds wall_now,
                                   wire::Rng& rng) {
  if (wall_now == 0)
    for (const SavedContact& c : contacts) wall_now = std::max(wall_now, c.last_seen);
  // The newest first, and among those of one age no part of the key space before another: there may not be room for
  // all.
  rng.shuffle(contacts);
  std::stable_sort(contacts.begin(), contacts.end(),
                   [](const SavedContact& a, const SavedContact& b) { return a.last_seen > b.last_seen; });
  for (const SavedContact& c : contacts) {
    if (parts_->store.full()) return;
    parts_->store.restore(now, {c.id, c.endpoint}, age(c.last_seen, wall_now));
  }
}

void StartingPoints::restore_lookups(Instant now, const std::vector<SavedLookup>& lookups, UnixSeconds wall_now) {
  if (wall_now == 0)
    for (const SavedLookup& l : lookups) wall_now = std::max(wall_now, l.at);
  for (const SavedLookup& l : lookups)
    parts_->cache.restore({l.info_hash, now - age(l.at, wall_now), l.nodes, l.peers});
}

void StartingPoints::check_invariants() const {
  if (!parts_) return;
  parts_->store.check_invariants();
  parts_->hearsay.check_invariants();
}

}  // namespace lodestone::dht
