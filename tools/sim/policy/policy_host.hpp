// SPDX-License-Identifier: Apache-2.0
// A node that searches under a rival Policy. Its other half, table, upkeep and answers to others, is a dht::Node on the
// same port: every policy starts its searches from a table that is kept as well as ours, and differs in the searches.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "dht/krpc.hpp"
#include "dht/rtt_estimator.hpp"
#include "tools/sim/dht_host.hpp"
#include "tools/sim/policy/policy.hpp"
#include "tools/sim/policy/policy_search.hpp"

namespace lodestone::tools::sim {

class PolicyHost {
 public:
  /// Puts itself between the world and `half`.
  PolicyHost(World& world, const Policy& policy, std::unique_ptr<DhtHost> half);
  ~PolicyHost();
  PolicyHost(const PolicyHost&) = delete;
  PolicyHost& operator=(const PolicyHost&) = delete;

  [[nodiscard]] const DhtHost& half() const { return *half_; }

  void find_node(const wire::Key& target) { start(target, Kind::find_node, std::nullopt, {}); }
  /// With `announce`: tells the closest when the search is over, under that port.
  void get_peers(const wire::InfoHash& info_hash, std::optional<std::uint16_t> announce) {
    start(wire::Key{info_hash.bytes()}, Kind::get_peers, announce, {});
  }
  /// Looks for its own id through these alone.
  void bootstrap(std::span<const Endpoint> introducers);
  [[nodiscard]] std::size_t running() const { return searches_.size(); }

 private:
  enum class Kind : std::uint8_t { find_node, get_peers };
  struct Running {
    std::uint32_t number;
    Kind kind;
    std::optional<std::uint16_t> announce;
    PolicySearch search;
  };
  struct Pending {
    std::uint32_t search;
    Endpoint to;
    Instant sent;
  };
  static constexpr std::size_t kMaxNamed = 32;
  static constexpr std::uint32_t kEnoughSamples = 8;

  void start(const wire::Key& target, Kind kind, std::optional<std::uint16_t> announce,
             std::span<const Endpoint> introducers);
  void receive(const Endpoint& from, Bytes datagram);
  /// True when it answers a query of a search.
  bool take_reply(const Endpoint& from, const dht::krpc::Message& message);
  void advance();
  /// Lets a search ask, and ends it when it is over. The reference is stale afterwards.
  void pump(std::size_t at);
  void ask(Running& running, const dht::Contact& whom);
  void tell(const Running& running);
  void arm();
  [[nodiscard]] std::vector<dht::Contact> closest_in_table(const wire::Key& target) const;
  [[nodiscard]] Duration slow_after() const;

  World& world_;
  Policy policy_;
  std::unique_ptr<DhtHost> half_;
  wire::Rng rng_;
  dht::krpc::Decoder decoder_;
  dht::RttEstimator rtt_;
  std::vector<Running> searches_;
  std::unordered_map<std::uint32_t, Pending> pending_;  // by transaction
  std::uint32_t last_number_ = 0;
  Timer timer_;
};

}  // namespace lodestone::tools::sim
