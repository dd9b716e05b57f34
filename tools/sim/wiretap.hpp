// SPDX-License-Identifier: Apache-2.0
// What one host asks about the keys that somebody follows, and what comes of it, as it is seen on the wire: the same
// instrument for every policy, ours included. World::watch() connects it.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "dht/krpc.hpp"
#include "tools/sim/world.hpp"

namespace lodestone::tools::sim {

class Wiretap final : public DatagramObserver {
 public:
  struct Told {
    Endpoint whom;
    Instant sent;
    std::optional<Instant> confirmed;
  };
  struct Story {
    std::optional<Instant> first_query;
    std::uint32_t queries = 0;  // find_node and get_peers for it
    std::uint32_t answers = 0;
    std::optional<Instant> first_value;  // a reply named a peer
    std::vector<Told> told;              // by announce_peer
  };

  void follow(const wire::Key& key) { stories_[key]; }
  [[nodiscard]] const Story& of(const wire::Key& key) const { return stories_.at(key); }

  /// From now on, also: when it sent queries, about whatever, and who answered when for the first time.
  void follow_everybody() { everybody_ = true; }
  [[nodiscard]] const std::vector<Instant>& queries() const { return queries_; }
  [[nodiscard]] std::optional<Instant> answered(const Endpoint& who) const;

 private:
  struct Pending {
    wire::Key about;
    Endpoint to;
    std::optional<std::size_t> told;  // an announcement: its place in the story
  };

  void on_sent(Instant now, const Endpoint& to, Bytes payload) override;
  void on_received(Instant now, const Endpoint& from, Bytes payload) override;

  dht::krpc::Decoder decoder_;
  std::unordered_map<wire::Key, Story> stories_;
  std::unordered_map<std::uint32_t, Pending> pending_;  // by transaction; what is never answered stays
  bool everybody_ = false;
  std::vector<Instant> queries_;
  std::unordered_map<Endpoint, Instant> answered_;
};

}  // namespace lodestone::tools::sim
