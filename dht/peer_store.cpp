// SPDX-License-Identifier: Apache-2.0
#include "dht/peer_store.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <iterator>

namespace lodestone::dht {
namespace {

using wire::Endpoint;

// An age is kept in 15 bits of ticks. Sweeps come far more often than the ticks wrap (36 hours).
constexpr std::uint16_t kTickMask = 0x7fff;
constexpr std::uint16_t kSeedBit = 0x8000;
constexpr wire::Duration kTick = std::chrono::seconds(4);
constexpr wire::Duration kSweepEvery = std::chrono::minutes(1);

}  // namespace

PeerStore::PeerStore(wire::Instant now, wire::Family family, const wire::NodeId& own, const Caps& caps,
                     bool one_per_address)
    : start_(now),
      next_sweep_(now + kSweepEvery),
      own_(own),
      caps_(caps),
      family_(family),
      one_per_address_(one_per_address) {
  assert(caps.expiry / kTick < 0x4000);
}

std::uint16_t PeerStore::tick(wire::Instant now) const {
  return static_cast<std::uint16_t>(static_cast<std::uint64_t>((now - start_) / kTick) & kTickMask);
}

std::uint16_t PeerStore::age(const std::uint8_t* record, std::uint16_t now) const {
  const std::uint16_t stored = wire::load_be16(record + Endpoint::compact_size(family_));
  return static_cast<std::uint16_t>((now - stored) & kTickMask);
}

bool PeerStore::is_seed(const std::uint8_t* record) const {
  return (wire::load_be16(record + Endpoint::compact_size(family_)) & kSeedBit) != 0;
}

bool PeerStore::expired(const std::uint8_t* record, std::uint16_t now) const {
  return age(record, now) >= caps_.expiry / kTick;
}

bool PeerStore::accepts(const wire::Key& info_hash) const {
  const bool full = peers_ >= caps_.peers_total || hashes_.size() >= caps_.hashes_total;
  if (!full || hashes_.empty()) return caps_.peers_per_hash > 0 && caps_.peers_total > 0 && caps_.hashes_total > 0;
  const wire::Distance d = wire::distance(own_, info_hash);
  // An announce for a hash that is here already may replace a peer or push out a farther hash.
  return d <= hashes_.rbegin()->first;
}

std::uint8_t* PeerStore::find_peer(Swarm& swarm, const std::uint8_t* compact) {
  const std::size_t compared = Endpoint::compact_size(family_) - (one_per_address_ ? 2 : 0);
  for (std::size_t at = 0; at < swarm.size(); at += record_size())
    if (std::memcmp(swarm.data() + at, compact, compared) == 0) return swarm.data() + at;
  return nullptr;
}

bool PeerStore::add(wire::Instant now, const wire::Key& info_hash, const Endpoint& peer, bool seed) {
  assert(peer.family() == family_);
  if (!accepts(info_hash)) return false;
  const wire::Distance d = wire::distance(own_, info_hash);
  const std::uint16_t ticks = tick(now);
  std::array<std::uint8_t, Endpoint::compact_size(wire::Family::v6) + 2> record;
  const std::size_t compact = peer.write_compact(record.data());
  wire::store_be16(record.data() + compact, seed ? static_cast<std::uint16_t>(ticks | kSeedBit) : ticks);

  auto found = hashes_.find(d);
  if (found != hashes_.end()) {
    if (std::uint8_t* old = find_peer(found->second, record.data())) {
      std::memcpy(old, record.data(), record_size());
      return true;
    }
    if (found->second.size() / record_size() >= caps_.peers_per_hash) drop_oldest(found->second, ticks);
  }
  if (!make_room(d, found == hashes_.end())) {
    // Its own hash is the farthest that could give way: the newcomer takes the place of the oldest.
    if (found == hashes_.end()) return false;
    drop_oldest(found->second, ticks);
  }
  Swarm& swarm = hashes_[d];
  swarm.insert(swarm.end(), record.data(), record.data() + record_size());
  ++peers_;
  return true;
}

/// True when there is room for one more peer at that distance; farther hashes are dropped for it.
bool PeerStore::make_room(const wire::Distance& d, bool new_hash) {
  while (peers_ >= caps_.peers_total || (new_hash && hashes_.size() >= caps_.hashes_total)) {
    if (hashes_.empty()) return false;
    const auto farthest = std::prev(hashes_.end());
    if (farthest->first <= d) return false;
    erase(farthest);
  }
  return true;
}

krpc::CompactPeers PeerStore::sample(wire::Instant now, const wire::Key& info_hash, std::size_t max, wire::Rng& rng,
                                     bool no_seeds) {
  const auto found = hashes_.find(wire::distance(own_, info_hash));
  if (found == hashes_.end()) return {};
  Swarm& swarm = found->second;
  drop_expired(swarm, tick(now));
  if (swarm.empty()) {
    hashes_.erase(found);
    return {};
  }
  const std::size_t n = no_seeds ? peers_first(swarm) : swarm.size() / record_size();
  const std::size_t taken = std::min(n, max);
  // The order of records means nothing, so the sample is drawn by moving it to the front.
  for (std::size_t i = 0; taken < n && i < taken; ++i) {
    swap_records(swarm, i, i + static_cast<std::size_t>(rng.below(n - i)));
  }
  return {swarm.data(), taken, record_size(), Endpoint::compact_size(family_)};
}

std::size_t PeerStore::peers_first(Swarm& swarm) const {
  std::size_t n = 0;
  for (std::size_t i = 0; i < swarm.size() / record_size(); ++i)
    if (!is_seed(swarm.data() + i * record_size())) swap_records(swarm, n++, i);
  return n;
}

void PeerStore::swap_records(Swarm& swarm, std::size_t i, std::size_t j) const {
  if (i == j) return;
  std::uint8_t* a = swarm.data() + i * record_size();
  std::swap_ranges(a, a + record_size(), swarm.data() + j * record_size());
}

bool PeerStore::count_in(wire::Instant now, const wire::Key& info_hash, BloomFilter& seeds, BloomFilter& peers) const {
  const auto found = hashes_.find(wire::distance(own_, info_hash));
  if (found == hashes_.end()) return false;
  const std::uint16_t ticks = tick(now);
  bool any = false;
  for (std::size_t at = 0; at < found->second.size(); at += record_size()) {
    const std::uint8_t* record = found->second.data() + at;
    if (expired(record, ticks)) continue;
    any = true;
    const auto peer = Endpoint::from_compact({record, Endpoint::compact_size(family_)});
    (is_seed(record) ? seeds : peers).insert(peer->address);
  }
  return any;
}

bool PeerStore::contains(const wire::Key& info_hash) const { return hashes_.contains(wire::distance(own_, info_hash)); }

void PeerStore::move_to(const wire::NodeId& own) {
  Map moved;
  while (!hashes_.empty()) {
    auto node = hashes_.extract(hashes_.begin());
    const wire::Key info_hash{wire::distance(own_, node.key()).bytes()};
    node.key() = wire::distance(own, info_hash);
    moved.insert(std::move(node));
  }
  hashes_ = std::move(moved);
  own_ = own;
}

std::size_t PeerStore::count(const wire::Key& info_hash) const {
  const auto found = hashes_.find(wire::distance(own_, info_hash));
  return found == hashes_.end() ? 0 : found->second.size() / record_size();
}

void PeerStore::sweep(wire::Instant now) {
  next_sweep_ = now + kSweepEvery;
  const std::uint16_t ticks = tick(now);
  for (auto it = hashes_.begin(); it != hashes_.end();) {
    drop_expired(it->second, ticks);
    it = it->second.empty() ? hashes_.erase(it) : std::next(it);
  }
}

void PeerStore::remove_record(Swarm& swarm, std::size_t offset) {
  const std::size_t last = swarm.size() - record_size();
  if (offset != last) std::memcpy(swarm.data() + offset, swarm.data() + last, record_size());
  swarm.resize(last);
  --peers_;
}

void PeerStore::drop_expired(Swarm& swarm, std::uint16_t now) {
  for (std::size_t at = 0; at < swarm.size();) {
    if (expired(swarm.data() + at, now)) {
      remove_record(swarm, at);
    } else {
      at += record_size();
    }
  }
}

void PeerStore::drop_oldest(Swarm& swarm, std::uint16_t now) {
  std::size_t oldest = 0;
  std::uint16_t oldest_age = 0;
  for (std::size_t at = 0; at < swarm.size(); at += record_size()) {
    const std::uint16_t of_this = age(swarm.data() + at, now);
    if (of_this >= oldest_age) {
      oldest_age = of_this;
      oldest = at;
    }
  }
  if (!swarm.empty()) remove_record(swarm, oldest);
}

void PeerStore::erase(Map::iterator swarm) {
  peers_ -= swarm->second.size() / record_size();
  hashes_.erase(swarm);
}

void PeerStore::check_invariants() const {
  std::size_t n = 0;
  for (const auto& [d, swarm] : hashes_) {
    assert(!swarm.empty() && swarm.size() % record_size() == 0);
    assert(swarm.size() / record_size() <= caps_.peers_per_hash);
    n += swarm.size() / record_size();
  }
  assert(n == peers_ && peers_ <= caps_.peers_total && hashes_.size() <= caps_.hashes_total);
  (void)n;
}

}  // namespace lodestone::dht
