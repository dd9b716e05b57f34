// SPDX-License-Identifier: Apache-2.0
// The peers that others announced to us (S2). Bounded three ways: peers per hash, peers in all, hashes in all; when it
// is full, the hash farthest from our id makes room, and what would itself be the farthest is refused. A v4 peer costs
// 8 bytes, whether it is a seed included (BEP 33). Peers expire; sweep() drops them.
// Invariant: no hash without peers, no address twice under a hash (in a private net: no endpoint twice).
#pragma once

#include <cstdint>
#include <map>

#include "dht/bloom.hpp"
#include "dht/krpc.hpp"
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
  };
  /// With one_per_address a second port of an address replaces the first; without, endpoints are told apart.
  PeerStore(wire::Instant now, wire::Family family, const wire::NodeId& own, const Caps& caps, bool one_per_address);

  /// False when it is full of hashes that are closer to us: no token is given out then, so that announces go elsewhere.
  [[nodiscard]] bool accepts(const wire::Key& info_hash) const;
  /// Stores or refreshes. False when refused.
  bool add(wire::Instant now, const wire::Key& info_hash, const wire::Endpoint& peer, bool seed = false);
  /// A uniform sample of at most `max` unexpired peers; the view is valid until the next call of a non-const member.
  [[nodiscard]] krpc::CompactPeers sample(wire::Instant now, const wire::Key& info_hash, std::size_t max,
                                          wire::Rng& rng, bool no_seeds = false);
  /// All unexpired peers of a hash, by whether they are seeds (BEP 33). False when there are none. Linear in them.
  bool count_in(wire::Instant now, const wire::Key& info_hash, BloomFilter& seeds, BloomFilter& peers) const;
  [[nodiscard]] bool contains(const wire::Key& info_hash) const;
  /// f(const Key&) for each hash.
  template <class F>
  void for_each_hash(F&& f) const {
    for (const auto& entry : hashes_) f(wire::Key{wire::distance(own_, entry.first).bytes()});
  }
  [[nodiscard]] std::size_t count(const wire::Key& info_hash) const;
  [[nodiscard]] std::size_t peers() const { return peers_; }
  [[nodiscard]] std::size_t hashes() const { return hashes_.size(); }

  /// Our id has changed: distances are measured from this one now.
  void move_to(const wire::NodeId& own);
  /// Drops what has expired. Due at next_sweep().
  void sweep(wire::Instant now);
  [[nodiscard]] wire::Instant next_sweep() const { return hashes_.empty() ? wire::kNever : next_sweep_; }

  void check_invariants() const;

 private:
  /// Records of [compact endpoint, 2 bytes: a bit for seeds and a tick], in no order.
  using Swarm = wire::ByteVector;
  using Map = std::map<wire::Distance, Swarm>;  // by distance to our id: the farthest is the last

  [[nodiscard]] std::size_t record_size() const { return wire::Endpoint::compact_size(family_) + 2; }
  [[nodiscard]] std::uint16_t tick(wire::Instant now) const;
  [[nodiscard]] std::uint16_t age(const std::uint8_t* record, std::uint16_t now) const;
  [[nodiscard]] bool is_seed(const std::uint8_t* record) const;
  [[nodiscard]] bool expired(const std::uint8_t* record, std::uint16_t now) const;
  /// Moves the peers that are no seeds to the front; how many they are.
  [[nodiscard]] std::size_t peers_first(Swarm& swarm) const;
  void swap_records(Swarm& swarm, std::size_t i, std::size_t j) const;
  [[nodiscard]] std::uint8_t* find_peer(Swarm& swarm, const std::uint8_t* compact);
  void remove_record(Swarm& swarm, std::size_t offset);
  void drop_expired(Swarm& swarm, std::uint16_t now);
  void drop_oldest(Swarm& swarm, std::uint16_t now);
  [[nodiscard]] bool make_room(const wire::Distance& d, bool new_hash);
  void erase(Map::iterator swarm);

  wire::Instant start_;
  wire::Instant next_sweep_;
  wire::NodeId own_;
  Caps caps_;
  wire::Family family_;
  bool one_per_address_;
  std::size_t peers_ = 0;
  Map hashes_;
};

}  // namespace lodestone::dht
