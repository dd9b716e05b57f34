// SPDX-License-Identifier: Apache-2.0
// A network of real dht::Nodes: makes them, lets them join and leave, asks them things and compares the answers with
// what an all-knowing observer would say. For scenarios, benchmarks and (later) the `sim` command.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "tools/sim/churn.hpp"
#include "tools/sim/dht_host.hpp"

namespace lodestone::tools::sim {

struct CrowdConfig {
  std::size_t nodes = 0;
  NatMix nat;                                       // the introducer is always open
  Duration join_window = std::chrono::seconds(60);  // nodes join at random moments of it
  std::uint16_t port = 6881;
  std::function<void(dht::NodeConfig&)> adjust;  // last word on each node's configuration
};

/// One lookup's whole story.
struct LookupReport {
  bool done = false;
  dht::LookupStats stats;
  std::vector<Endpoint> peers;
  bool announced = false;  // AnnounceDone or PutDone came
  std::vector<dht::NodeView> stored;
  std::optional<dht::event::ItemDone> item;
  std::optional<dht::event::ScrapeDone> scrape;
  std::vector<dht::event::Samples> samples;
};

class Crowd {
 public:
  using Index = std::size_t;  // of a node, in order of making; an index is never given twice

  Crowd(World& world, const CrowdConfig& config);
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

  /// Runs the join window and `settle` more.
  void join_all(Duration settle);
  /// A node more, at once, introduced by the introducer and up to two nodes that are there.
  Index add();
  void remove(Index index);
  /// Each node but the introducer leaves at the end of its session and another joins in its place, from now on.
  void start_churn(const Churn& churn);

  // --- looking ---
  [[nodiscard]] std::size_t size() const { return living_.size(); }
  /// Indices of the nodes that are there.
  [[nodiscard]] const std::vector<Index>& living() const { return living_; }
  [[nodiscard]] bool alive(Index index) const { return hosts_[index] != nullptr; }
  [[nodiscard]] DhtHost& operator[](Index index) { return *hosts_[index]; }
  [[nodiscard]] const Endpoint& introducer() const { return introducer_; }
  [[nodiscard]] Index random();
  /// Of the living nodes that anybody can reach, without `but`; closest first.
  [[nodiscard]] std::vector<wire::NodeId> closest(const wire::Key& target, std::size_t n,
                                                  std::optional<Index> but = std::nullopt) const;
  [[nodiscard]] std::uint64_t departures() const { return departures_; }
  /// Share of table entries, over all living nodes, that are nodes still there. `per_node`: entries looked at.
  [[nodiscard]] double living_share_of_tables(std::size_t per_node) const;

  // --- asking ---
  using LookupTicket = std::shared_ptr<const LookupReport>;
  /// The report fills while the world runs.
  /// f(node, output) starts any lookup and returns its id.
  template <class F>
  LookupTicket ask(Index from, F&& f) {
    // The lookup may end inside the call; events then come before its number is known here, and are kept until then.
    auto report = std::make_shared<LookupReport>();
    hosts_[from]->use([&](dht::Node& node, dht::Output& out) { lookups_[from][f(node, out)] = report; });
    return report;
  }
  LookupTicket find_node(Index from, const wire::Key& target);
  LookupTicket get_peers(Index from, const wire::InfoHash& info_hash,
                         std::optional<dht::AnnounceSpec> announce = std::nullopt);

 private:
  void depart_later(Index index, Duration session);
  void on_event(Index index, dht::Event&& event);

  World& world_;
  CrowdConfig config_;
  wire::Rng rng_;
  dht::Output arena_;
  std::vector<std::unique_ptr<DhtHost>> hosts_;  // null: gone
  std::vector<Index> living_;
  Endpoint introducer_;
  std::optional<Churn> churn_;
  std::uint64_t departures_ = 0;
  std::unordered_map<Index, std::unordered_map<dht::LookupId, std::shared_ptr<LookupReport>>> lookups_;
};

}  // namespace lodestone::tools::sim
