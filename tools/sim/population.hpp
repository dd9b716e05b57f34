// SPDX-License-Identifier: Apache-2.0
// A network in its stationary state, drawn instead of grown: who is there (ids by BEP 42, places, NATs, how long they
// will stay), who has left lately, and what stands in anybody's routing table. So a hundred thousand nodes begin where
// weeks of joining by traffic would have brought them.
//
// What a table holds: for each bucket, contacts of its key range, the shallow buckets full. An entry's age, the time
// since it last answered, is uniform up to `memory`: that is how often tables ask their contacts again. Who left t ago
// is still in those tables that had asked him just before and not since, a share of 1 - t / memory.
//
// How contacts come to be dead (gone, or behind a NAT that no longer lets the asker in): most implementations ask a
// newcomer back at once, while the pinhole that his own query opened is still there, and hand him out for as long as
// `memory`. With `dead` unset, NATed nodes stand in tables in proportion to how many they are. `dead` is reached by
// making them so much rarer or more frequent there; what is below that (those who left are dead, too) by making those
// who left rarer. expected_dead() is the share over a whole table; that of one table is what the draw gives.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "dht/node.hpp"
#include "tools/sim/churn.hpp"
#include "tools/sim/world.hpp"

namespace lodestone::tools::sim {

/// The first 64 bits of an id: what lists of thousands are sorted by.
[[nodiscard]] inline std::uint64_t key_of(const wire::NodeId& id) { return wire::load_be64(id.bytes().data()); }

struct PopulationConfig {
  std::size_t nodes = 0;
  std::size_t lasting = 0;  // the first so many are open and stay
  NatMix nat = NatMix::public_dht();
  Churn churn = Churn::public_dht();
  Duration memory = std::chrono::hours(2);
  std::optional<double> dead = {};  // of table entries, in [0, 1)
  std::uint16_t port = 6881;
};

struct Resident {
  wire::NodeId id;
  Endpoint endpoint;  // as others know it; behind some NATs nothing ever arrives there
  Place place;
  NatKind nat = NatKind::open;
  HostId host = 0;      // meaningless for who has left
  Duration left_ago{};  // zero: is there
  Instant leaves = wire::kNever;
  [[nodiscard]] bool gone() const { return left_ago > Duration::zero(); }
};

class Population {
 public:
  /// Adds a host to the world for everybody who is there.
  Population(World& world, const PopulationConfig& config);

  /// Those who are there; by number, [0, nodes).
  [[nodiscard]] std::size_t size() const { return present_; }
  [[nodiscard]] const Resident& operator[](std::size_t number) const { return residents_[number]; }
  /// How many have left within `memory`.
  [[nodiscard]] std::size_t departed() const { return residents_.size() - present_; }
  [[nodiscard]] double expected_dead() const { return expected_dead_; }

  /// What that resident's table holds, shallow buckets first; the draw is the caller's.
  [[nodiscard]] std::vector<dht::KnownContact> table_of(std::size_t number, wire::Rng& rng);

 private:
  [[nodiscard]] double weight(const Resident& r) const;
  void settle_weights(std::optional<double> dead);
  void take(const Resident& who, const Resident& asker, std::vector<dht::KnownContact>& out, wire::Rng& rng) const;

  PopulationConfig config_;
  std::size_t present_ = 0;
  std::vector<Resident> residents_;       // those who have left at the end
  std::vector<std::uint64_t> keys_;       // first 64 bits of the ids, sorted,
  std::vector<std::uint32_t> by_key_;     // and whose they are
  std::vector<std::uint32_t> taken_for_;  // the last draw that took this one
  std::uint32_t draws_ = 0;
  double nat_weight_ = 1;  // of somebody behind a NAT, beside 1 for who is reachable
  double gone_weight_ = 1;
  double expected_dead_ = 0;
};

}  // namespace lodestone::tools::sim
