// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/vantage.hpp"

#include <array>
#include <cassert>
#include <utility>

#include "tools/sim/policy/policy_host.hpp"

namespace lodestone::tools::sim {
namespace {

constexpr std::string_view kOurs = "lodestone";
constexpr std::array<Policy, 3> kRivals = {Policy::libtorrent(), Policy::mldht(), Policy::bep5()};
constexpr std::array<std::string_view, 4> kNames = {kOurs, kRivals[0].name, kRivals[1].name, kRivals[2].name};

const Policy& rival(std::string_view name) {
  for (const Policy& p : kRivals)
    if (p.name == name) return p;
  assert(false);
  return kRivals[0];
}

/// Ours are what `get` runs: with a contact store, which they fill themselves while the others warm up, and a cache of
/// lookups, which distinct hashes do not use.
void configure_ours(dht::NodeConfig& config) { config.limits = dht::Limits::client(); }

class OurVantage final : public Vantage {
 public:
  OurVantage(World& world, std::unique_ptr<DhtHost> host) : Vantage(world, host->host()), host_(std::move(host)) {}

  void find_node(const wire::Key& target) override {
    host_->use([&](dht::Node& node, dht::Output& out) { (void)node.find_node(now(), target, out); });
  }
  void get_peers(const wire::InfoHash& info_hash) override {
    host_->use([&](dht::Node& node, dht::Output& out) { (void)node.get_peers(now(), info_hash, std::nullopt, out); });
  }
  void announce(const wire::InfoHash& info_hash, std::uint16_t port) override {
    host_->use([&](dht::Node& node, dht::Output& out) {
      (void)node.get_peers(now(), info_hash, dht::AnnounceSpec{.port = port}, out);
    });
  }
  void join(std::span<const Endpoint> introducers) { host_->join(introducers); }

 private:
  std::unique_ptr<DhtHost> host_;
};

class RivalVantage final : public Vantage {
 public:
  RivalVantage(World& world, const Policy& policy, std::unique_ptr<DhtHost> half)
      : Vantage(world, half->host()), host_(world, policy, std::move(half)) {}

  void find_node(const wire::Key& target) override { host_.find_node(target); }
  void get_peers(const wire::InfoHash& info_hash) override { host_.get_peers(info_hash, std::nullopt); }
  void announce(const wire::InfoHash& info_hash, std::uint16_t port) override { host_.get_peers(info_hash, port); }
  void join(std::span<const Endpoint> introducers) { host_.bootstrap(introducers); }

 private:
  PolicyHost host_;
};

}  // namespace

std::span<const std::string_view> policy_names() { return kNames; }

std::unique_ptr<Vantage> make_vantage(SettledCrowd& crowd, SettledCrowd::Number number, std::string_view policy) {
  if (policy == kOurs) return std::make_unique<OurVantage>(crowd.world(), crowd.stand_in(number, configure_ours));
  return std::make_unique<RivalVantage>(crowd.world(), rival(policy), crowd.stand_in(number, nullptr));
}

std::unique_ptr<Vantage> make_newcomer(SettledCrowd& crowd, std::string_view policy, const wire::NodeId& id,
                                       HostId host, std::span<const Endpoint> introducers) {
  dht::NodeConfig config;
  config.id = id;
  config.policy.allow(wire::AddressKind::global);
  const bool ours = policy == kOurs;
  config.limits.contact_store = config.limits.cached_lookups = 0;
  if (ours) configure_ours(config);
  auto node = std::make_unique<DhtHost>(crowd.world(), host, crowd.config().port, std::move(config), crowd.arena());
  // The tap is on before the first datagram leaves.
  if (ours) {
    auto vantage = std::make_unique<OurVantage>(crowd.world(), std::move(node));
    vantage->tap().follow_everybody();
    vantage->join(introducers);
    return vantage;
  }
  auto vantage = std::make_unique<RivalVantage>(crowd.world(), rival(policy), std::move(node));
  vantage->tap().follow_everybody();
  vantage->join(introducers);
  return vantage;
}

}  // namespace lodestone::tools::sim
