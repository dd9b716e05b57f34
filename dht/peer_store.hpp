// SPDX-License-Identifier: Apache-2.0
// The peers that others announced to us (S2). Bounded four ways: peers per hash, peers in all, hashes in all, bytes;
// when it is full, the hash farthest from our id makes room, and what would itself be the farthest is refused. A v4
// peer costs 8 bytes, a hash about 36 and an allocation. Peers expire; sweep() drops them. Invariant: no hash without
// peers, no address twice under a hash (in a private net: no endpoint twice); bytes() within its cap.
#pragma once

#include <cstdint>
#include <limits>

#include "dht/bloom.hpp"
#include "dht/krpc.hpp"
#include "dht/sorted_records.hpp"
#include "wire/base/bytes.hpp"
#include "wire/base/endpoint.hpp"
#include "wire/base/id.hpp"
#include "wire/base/rng.hpp"
#include "wire/base/time.hpp"

namespace lodestone::dht {

class PeerStore {
 public:
  struct Caps {
    std::size_t peers_per_hash;
    std::size_t peers_total;
    std::size_t hashes_total;
    wire::Duration expiry;
    std::size_t bytes_total = std::numeric_limits<std::size_t>::max();
  };
  /// With one_per_address a second port of an address replaces the first; without, endpoints are told apart.
  PeerStore(wire::Instant now, wire::Family family, const wire::NodeId& own, const Caps& caps, bool one_per_address);

  ~PeerStore();
  PeerStore(const PeerStore&) = delete;
  PeerStore& operator=(const PeerStore&) = delete;

  /// False when it is full of hashes that are closer to us: no token is given out then, so that announces go elsewhere.
  [[nodiscard]] bool accepts(const wire::Key& info_hash) const;
  /// Stores or refreshes. False when refused.
  bool add(wire::Instant now, const wire::Key& info_hash, const wire::Endpoint& peer, bool seed = false);
  /// A uniform sample of at most `max` unexpired peers; the view is valid until the next call of a non-const member.
  [[nodiscard]] krpc::CompactPeers sample(wire::Instant now, const wire::Key& info_hash, std::size_t max,
                                          wire::Rng& rng, bool no_seeds = false);
  /// All unexpired peers of a hash, by whether they are seeds (BEP 33). False when there are none. Linear in them.
  bool count_in(wire::Instant now, const wire::Key& info_hash, BloomFilter& seeds, BloomFilter& peers) const;
  /// f(const Key&) for each hash (BEP 51).
  template <class F>
  void for_each_hash(F&& f) const {
    hashes_.for_each([&](const std::uint8_t* record) {
      f(wire::Key{wire::distance(own_, *wire::Key::from_bytes({record, wire::Key::kSize})).bytes()});
    });
  }
  [[nodiscard]] bool contains(const wire::Key& info_hash) const { return hashes_.find(place_of(info_hash)) != nullptr; }
  [[nodiscard]] std::size_t count(const wire::Key& info_hash) const;
  [[nodiscard]] std::size_t peers() const { return peers_; }
  [[nodiscard]] std::size_t hashes() const { return hashes_.size(); }
  /// Memory that is held, allocator's overhead included.
  [[nodiscard]] std::size_t bytes() const { return hashes_.bytes() + held_; }
  /// Peers that are gone: by age, and for newer or closer ones.
  [[nodiscard]] std::uint64_t expired() const { return expired_; }
  [[nodiscard]] std::uint64_t displaced() const { return displaced_; }

  /// Our id has changed (T1): distances are measured from this one now.
  void move_to(const wire::NodeId& own);
  /// Drops what has expired. Due at next_sweep().
  void sweep(wire::Instant now);
  [[nodiscard]] wire::Instant next_sweep() const { return hashes_.empty() ? wire::kNever : next_sweep_; }

  void check_invariants() const;

 private:
  /// What stands behind the distance of a hash to our id, by which the records are sorted: the farthest is the last.
  /// The peers are records of [compact endpoint, 2 bytes: a bit for seeds and a tick], in no order.
  struct Swarm {
    std::uint8_t* peers = nullptr;
    std::uint16_t count = 0;
    std::uint16_t capacity = 0;
  };
  static constexpr std::size_t kRecord = SortedRecords::kKeySize + sizeof(std::uint8_t*) + 4;

  [[nodiscard]] static Swarm load(const std::uint8_t* record);
  static void store(std::uint8_t* record, const Swarm& swarm);
  [[nodiscard]] wire::Key place_of(const wire::Key& info_hash) const;

  [[nodiscard]] std::size_t peer_size() const { return wire::Endpoint::compact_size(family_) + 2; }
  [[nodiscard]] std::uint16_t tick(wire::Instant now) const;
  [[nodiscard]] std::uint16_t age(const std::uint8_t* peer, std::uint16_t now) const;
  [[nodiscard]] bool is_seed(const std::uint8_t* peer) const;
  [[nodiscard]] bool expired(const std::uint8_t* peer, std::uint16_t now) const;
  /// Moves the peers that are no seeds to the front; how many they are.
  [[nodiscard]] std::size_t no_seeds_first(const Swarm& swarm) const;
  void swap_peers(const Swarm& swarm, std::size_t i, std::size_t j) const;
  [[nodiscard]] std::uint8_t* find_peer(const Swarm& swarm, const std::uint8_t* compact) const;
  void append(Swarm& swarm, const std::uint8_t* peer);
  void remove_peer(Swarm& swarm, std::size_t index);
  void drop_expired(Swarm& swarm, std::uint16_t now);
  void drop_oldest(Swarm& swarm, std::uint16_t now);
  void resize(Swarm& swarm, std::size_t capacity);
  [[nodiscard]] std::size_t cost(std::size_t capacity) const;
  [[nodiscard]] bool full() const;
  [[nodiscard]] bool make_room(const wire::Key& place, bool new_hash);
  void erase_farthest();

  wire::Instant start_;
  wire::Instant next_sweep_;
  wire::NodeId own_;
  Caps caps_;
  wire::Family family_;
  bool one_per_address_;
  std::size_t peers_ = 0;
  std::size_t held_ = 0;  // bytes of the swarms
  std::uint64_t expired_ = 0;
  std::uint64_t displaced_ = 0;
  SortedRecords hashes_;
};

}  // namespace lodestone::dht
