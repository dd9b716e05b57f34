// SPDX-License-Identifier: Apache-2.0
#include "dht/peer_store.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>

namespace lodestone::dht {
namespace {

using wire::Endpoint;

// An age is kept in 15 bits of ticks. Sweeps come far more often than the ticks wrap (36 hours).
constexpr std::uint16_t kTickMask = 0x7fff;
constexpr std::uint16_t kSeedBit = 0x8000;
constexpr wire::Duration kTick = std::chrono::seconds(4);
constexpr wire::Duration kSweepPeersEvery = std::chrono::minutes(1);
// What one more peer may cost at most: a swarm that grows by a quarter, a page and the directory of the hashes.
constexpr std::size_t kMargin = 32 << 10;
constexpr std::size_t kMaxPeer = Endpoint::compact_size(wire::Family::v6) + 2;

}  // namespace

PeerStore::PeerStore(wire::Instant now, wire::Family family, const wire::NodeId& own, const Caps& caps,
                     bool one_per_address)
    : start_(now),
      next_sweep_(now + kSweepPeersEvery),
      own_(own),
      caps_(caps),
      family_(family),
      one_per_address_(one_per_address),
      hashes_(kRecord) {
  assert(caps.expiry / kTick < 0x4000);
  caps_.peers_per_hash = std::min<std::size_t>(caps.peers_per_hash, 0xffff);
}

PeerStore::~PeerStore() {
  hashes_.for_each([](const std::uint8_t* record) { delete[] load(record).peers; });
}

// --- records ---

PeerStore::Swarm PeerStore::load(const std::uint8_t* record) {
  Swarm s;
  const std::uint8_t* at = record + SortedRecords::kKeySize;
  std::memcpy(&s.peers, at, sizeof s.peers);
  std::memcpy(&s.count, at + sizeof s.peers, 2);
  std::memcpy(&s.capacity, at + sizeof s.peers + 2, 2);
  return s;
}

void PeerStore::store(std::uint8_t* record, const Swarm& swarm) {
  std::uint8_t* at = record + SortedRecords::kKeySize;
  std::memcpy(at, &swarm.peers, sizeof swarm.peers);
  std::memcpy(at + sizeof swarm.peers, &swarm.count, 2);
  std::memcpy(at + sizeof swarm.peers + 2, &swarm.capacity, 2);
}

wire::Key PeerStore::place_of(const wire::Key& info_hash) const {
  return wire::Key{wire::distance(own_, info_hash).bytes()};
}

std::uint16_t PeerStore::tick(wire::Instant now) const {
  return static_cast<std::uint16_t>(static_cast<std::uint64_t>((now - start_) / kTick) & kTickMask);
}

std::uint16_t PeerStore::age(const std::uint8_t* peer, std::uint16_t now) const {
  const std::uint16_t stored = wire::load_be16(peer + Endpoint::compact_size(family_));
  return static_cast<std::uint16_t>((now - stored) & kTickMask);
}

bool PeerStore::is_seed(const std::uint8_t* peer) const {
  return (wire::load_be16(peer + Endpoint::compact_size(family_)) & kSeedBit) != 0;
}

bool PeerStore::expired(const std::uint8_t* peer, std::uint16_t now) const {
  return age(peer, now) >= caps_.expiry / kTick;
}

// --- coming ---

bool PeerStore::full() const {
  return peers_ >= caps_.peers_total || hashes_.size() >= caps_.hashes_total ||
         bytes() + std::min(kMargin, caps_.bytes_total / 4) > caps_.bytes_total;
}

bool PeerStore::accepts(const wire::Key& info_hash) const {
  if (!full() || hashes_.empty()) return caps_.peers_per_hash > 0 && caps_.peers_total > 0 && caps_.hashes_total > 0;
  // An announce for a hash that is here already may replace a peer or push out a farther hash.
  const wire::Key place = place_of(info_hash);
  return std::memcmp(place.bytes().data(), hashes_.last(), SortedRecords::kKeySize) <= 0;
}

std::uint8_t* PeerStore::find_peer(const Swarm& swarm, const std::uint8_t* compact) const {
  const std::size_t compared = Endpoint::compact_size(family_) - (one_per_address_ ? 2 : 0);
  for (std::size_t i = 0; i < swarm.count; ++i) {
    std::uint8_t* const peer = swarm.peers + i * peer_size();
    if (std::memcmp(peer, compact, compared) == 0) return peer;
  }
  return nullptr;
}

bool PeerStore::add(wire::Instant now, const wire::Key& info_hash, const Endpoint& peer, bool seed) {
  assert(peer.family() == family_);
  if (!accepts(info_hash)) return false;
  const wire::Key place = place_of(info_hash);
  const std::uint16_t ticks = tick(now);
  std::array<std::uint8_t, kMaxPeer> raw;
  const std::size_t compact = peer.write_compact(raw.data());
  wire::store_be16(raw.data() + compact, seed ? static_cast<std::uint16_t>(ticks | kSeedBit) : ticks);

  std::uint8_t* record = hashes_.find(place);
  const bool new_hash = record == nullptr;
  if (!new_hash) {
    Swarm swarm = load(record);
    if (std::uint8_t* old = find_peer(swarm, raw.data())) {
      std::memcpy(old, raw.data(), peer_size());
      return true;
    }
    if (swarm.count >= caps_.peers_per_hash) drop_oldest(swarm, ticks);
    store(record, swarm);
  }
  const bool room = make_room(place, new_hash);
  if (!room && new_hash) return false;
  record = new_hash ? hashes_.insert(place) : hashes_.find(place);
  Swarm swarm = load(record);
  // Its own hash is the farthest that could give way: the newcomer takes the place of the oldest.
  if (!room) drop_oldest(swarm, ticks);
  append(swarm, raw.data());
  store(record, swarm);
  return true;
}

/// True when there is room for one more peer at that distance; farther hashes are dropped for it.
bool PeerStore::make_room(const wire::Key& place, bool new_hash) {
  const std::size_t margin = std::min(kMargin, caps_.bytes_total / 4);
  while (peers_ >= caps_.peers_total || (new_hash && hashes_.size() >= caps_.hashes_total) ||
         bytes() + margin > caps_.bytes_total) {
    if (hashes_.empty()) return false;
    if (std::memcmp(hashes_.last(), place.bytes().data(), SortedRecords::kKeySize) <= 0) return false;
    erase_farthest();
  }
  return true;
}

void PeerStore::append(Swarm& swarm, const std::uint8_t* peer) {
  // An odd number of 8-byte peers fills what malloc gives exactly.
  if (swarm.count == swarm.capacity) resize(swarm, std::max(3u, (swarm.capacity + swarm.capacity / 4u + 2u) | 1u));
  std::memcpy(swarm.peers + swarm.count * peer_size(), peer, peer_size());
  ++swarm.count;
  ++peers_;
}

std::size_t PeerStore::cost(std::size_t capacity) const {
  if (capacity == 0) return 0;
  return allocation_cost(capacity * peer_size());
}

void PeerStore::resize(Swarm& swarm, std::size_t capacity) {
  capacity = std::min<std::size_t>(capacity, 0xffff);
  std::uint8_t* const peers = capacity == 0 ? nullptr : new std::uint8_t[capacity * peer_size()];
  if (swarm.count != 0) std::memcpy(peers, swarm.peers, swarm.count * peer_size());
  delete[] swarm.peers;
  held_ += cost(capacity) - cost(swarm.capacity);
  swarm.peers = peers;
  swarm.capacity = static_cast<std::uint16_t>(capacity);
}

// --- asking ---

krpc::CompactPeers PeerStore::sample(wire::Instant now, const wire::Key& info_hash, std::size_t max, wire::Rng& rng,
                                     bool no_seeds) {
  const wire::Key place = place_of(info_hash);
  std::uint8_t* const record = hashes_.find(place);
  if (record == nullptr) return {};
  Swarm swarm = load(record);
  drop_expired(swarm, tick(now));
  store(record, swarm);
  if (swarm.count == 0) {
    hashes_.erase(place);
    return {};
  }
  const std::size_t n = no_seeds ? no_seeds_first(swarm) : swarm.count;
  const std::size_t taken = std::min(n, max);
  // The order of peers means nothing, so the sample is drawn by moving it to the front.
  for (std::size_t i = 0; taken < n && i < taken; ++i)
    swap_peers(swarm, i, i + static_cast<std::size_t>(rng.below(n - i)));
  return {swarm.peers, taken, peer_size(), Endpoint::compact_size(family_)};
}

std::size_t PeerStore::no_seeds_first(const Swarm& swarm) const {
  std::size_t n = 0;
  for (std::size_t i = 0; i < swarm.count; ++i)
    if (!is_seed(swarm.peers + i * peer_size())) swap_peers(swarm, n++, i);
  return n;
}

void PeerStore::swap_peers(const Swarm& swarm, std::size_t i, std::size_t j) const {
  if (i == j) return;
  std::uint8_t* const a = swarm.peers + i * peer_size();
  std::swap_ranges(a, a + peer_size(), swarm.peers + j * peer_size());
}

bool PeerStore::count_in(wire::Instant now, const wire::Key& info_hash, BloomFilter& seeds, BloomFilter& peers) const {
  const std::uint8_t* const record = hashes_.find(place_of(info_hash));
  if (record == nullptr) return false;
  const Swarm swarm = load(record);
  const std::uint16_t ticks = tick(now);
  bool any = false;
  for (std::size_t i = 0; i < swarm.count; ++i) {
    const std::uint8_t* const peer = swarm.peers + i * peer_size();
    if (expired(peer, ticks)) continue;
    any = true;
    const auto endpoint = wire::Endpoint::from_compact({peer, wire::Endpoint::compact_size(family_)});
    (is_seed(peer) ? seeds : peers).insert(endpoint->address);
  }
  return any;
}

std::size_t PeerStore::count(const wire::Key& info_hash) const {
  const std::uint8_t* const record = hashes_.find(place_of(info_hash));
  return record == nullptr ? 0 : load(record).count;
}

// --- going ---

void PeerStore::sweep(wire::Instant now) {
  next_sweep_ = now + kSweepPeersEvery;
  const std::uint16_t ticks = tick(now);
  hashes_.erase_if([&](std::uint8_t* record) {
    Swarm swarm = load(record);
    drop_expired(swarm, ticks);
    store(record, swarm);
    return swarm.count == 0;
  });
}

/// Does not allocate memory for one that is nearly as large, and none for an empty one.
void PeerStore::remove_peer(Swarm& swarm, std::size_t index) {
  const std::size_t last = swarm.count - 1u;
  if (index != last) std::memcpy(swarm.peers + index * peer_size(), swarm.peers + last * peer_size(), peer_size());
  --swarm.count;
  --peers_;
}

void PeerStore::drop_expired(Swarm& swarm, std::uint16_t now) {
  const std::size_t before = swarm.count;
  for (std::size_t i = 0; i < swarm.count;) {
    if (expired(swarm.peers + i * peer_size(), now)) {
      remove_peer(swarm, i);
    } else {
      ++i;
    }
  }
  if (before == swarm.count) return;
  expired_ += before - swarm.count;
  if (swarm.count == 0 || swarm.count * 2u < swarm.capacity) resize(swarm, swarm.count == 0 ? 0 : swarm.count | 1u);
}

void PeerStore::drop_oldest(Swarm& swarm, std::uint16_t now) {
  std::size_t oldest = 0;
  std::uint16_t oldest_age = 0;
  for (std::size_t i = 0; i < swarm.count; ++i) {
    const std::uint8_t* const peer = swarm.peers + i * peer_size();
    const std::uint16_t of_this = age(peer, now);
    if (of_this >= oldest_age) {
      oldest_age = of_this;
      oldest = i;
    }
  }
  if (swarm.count == 0) return;
  remove_peer(swarm, oldest);
  ++displaced_;
}

void PeerStore::erase_farthest() {
  const wire::Key place = *wire::Key::from_bytes({hashes_.last(), SortedRecords::kKeySize});
  Swarm swarm = load(hashes_.last());
  displaced_ += swarm.count;
  peers_ -= swarm.count;
  swarm.count = 0;
  resize(swarm, 0);
  hashes_.erase(place);
}

void PeerStore::move_to(const wire::NodeId& own) {
  SortedRecords moved{kRecord};
  hashes_.erase_if([&](std::uint8_t* record) {
    const wire::Key place = *wire::Key::from_bytes({record, wire::Key::kSize});
    const wire::Key info_hash{wire::distance(own_, place).bytes()};
    store(moved.insert(wire::Key{wire::distance(own, info_hash).bytes()}), load(record));
    return true;
  });
  hashes_ = std::move(moved);
  own_ = own;
}

void PeerStore::check_invariants() const {
  hashes_.check_invariants();
  std::size_t n = 0;
  std::size_t held = 0;
  hashes_.for_each([&](const std::uint8_t* record) {
    const Swarm swarm = load(record);
    assert(swarm.count != 0 && swarm.count <= swarm.capacity && swarm.count <= caps_.peers_per_hash);
    n += swarm.count;
    held += cost(swarm.capacity);
  });
  assert(n == peers_ && held == held_ && peers_ <= caps_.peers_total && hashes_.size() <= caps_.hashes_total);
  assert(bytes() <= caps_.bytes_total);
  (void)n;
  (void)held;
}

}  // namespace lodestone::dht
