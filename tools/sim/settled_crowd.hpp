// SPDX-License-Identifier: Apache-2.0
// A Population of real dht::Nodes whose tables are filled from the model, living on: they keep up their tables, answer,
// leave at the end of their sessions, and others join in their place. The first `lasting` ones are left to the caller,
// who puts on their hosts what he wants to measure (stand_in()). Knows the truth: who is reachable, and who is closest.
//
// The nodes of the crowd are not ours but of many makes: as most of these do, they ask a newcomer back at once instead
// of waiting for his pinhole to close (against T2), and each contact again after `memory`.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "tools/sim/dht_host.hpp"
#include "tools/sim/population.hpp"

namespace lodestone::tools::sim {

class SettledCrowd {
 public:
  using Number = std::size_t;  // of a resident; those who join later are counted on

  SettledCrowd(World& world, const PopulationConfig& config);
  SettledCrowd(const SettledCrowd&) = delete;
  SettledCrowd& operator=(const SettledCrowd&) = delete;

  [[nodiscard]] World& world() { return world_; }
  [[nodiscard]] dht::Output& arena() { return arena_; }
  [[nodiscard]] const PopulationConfig& config() const { return config_; }
  [[nodiscard]] double expected_dead() const { return population_.expected_dead(); }
  [[nodiscard]] std::size_t living() const { return ranks_.size(); }
  [[nodiscard]] std::uint64_t departures() const { return departures_; }

  // --- the caller's own: residents [0, lasting) ---
  [[nodiscard]] const Resident& resident(Number number) const { return population_[number]; }
  /// What its table holds when the simulation begins.
  [[nodiscard]] std::vector<dht::KnownContact> table_of(Number number);
  /// A node of ours with that table, `memory` old, and no more to start from. `adjust` has the last word on its
  /// configuration.
  [[nodiscard]] std::unique_ptr<DhtHost> stand_in(Number number, const std::function<void(dht::NodeConfig&)>& adjust);

  // --- the crowd ---
  /// A random node of the crowd that anybody can reach, to ask something of.
  [[nodiscard]] DhtHost& random_open();
  /// A node more, that knows nobody but a few reachable ones.
  void join();

  // --- the truth ---
  struct Place {
    wire::NodeId id;
    Endpoint endpoint;
  };
  /// Those whom a stranger can reach, now; closest first.
  [[nodiscard]] std::vector<Place> closest_reachable(const wire::Key& target, std::size_t n) const;
  /// How many of these store a peer for the hash; looked for among the 32 closest reachable, which is where lookups
  /// end.
  [[nodiscard]] std::size_t copies(const wire::InfoHash& info_hash) const;
  /// Of what nodes of the crowd would hand out for random targets: the share that no stranger can reach.
  [[nodiscard]] double dead_share(std::size_t samples);
  /// Of all that stands in the tables of so many of its nodes: the share of nodes that are there, reachable or not.
  [[nodiscard]] double living_share(std::size_t nodes);
  /// Endpoints of reachable nodes of the crowd: what a bootstrap host name stands for.
  [[nodiscard]] std::vector<Endpoint> introducers(std::size_t n);

 private:
  struct Rank {  // of somebody who is there, by id
    std::uint64_t key;
    std::uint32_t number;
  };
  struct Member {
    std::unique_ptr<DhtHost> host;  // null: the caller's, or gone
    wire::NodeId id;
    Endpoint endpoint;
  };

  [[nodiscard]] dht::NodeConfig crowd_config(const wire::NodeId& id) const;
  void leave_at(Number number, Instant when);
  void leave(Number number);
  void enter_rank(Number number);

  World& world_;
  PopulationConfig config_;
  Population population_;
  wire::Rng rng_;
  dht::Output arena_;
  std::vector<Member> members_;
  std::vector<Rank> ranks_;  // sorted by key, then number
  std::uint64_t departures_ = 0;
};

}  // namespace lodestone::tools::sim
