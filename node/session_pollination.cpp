// SPDX-License-Identifier: Apache-2.0
// A bootstrap node learns from others (--pollinate): it asks them for nodes, often while its own ring is young and now
// and then later, and pings whom they name like any newcomer. What they say is taken for a hint, no more: only who
// answers us is handed out. They need not know that we are one of their kind; nothing but find_node is spoken.
#include <algorithm>

#include "node/ops/log.hpp"
#include "node/session_impl.hpp"

namespace lodestone::node {
namespace {

// Well within what anybody may ask (S4): 20 a second.
constexpr wire::Duration kWhileYoung = std::chrono::milliseconds(100);
constexpr wire::Duration kLater = std::chrono::seconds(10);
// In a small network a ring stays young for ever, and there is no more to be learnt.
constexpr wire::Duration kHurry = std::chrono::minutes(5);
// Names are looked up again: the fleet may have moved.
constexpr wire::Duration kNameHolds = std::chrono::minutes(30);
constexpr wire::Duration kNameAgain = std::chrono::seconds(15);

}  // namespace

void Session::Impl::start_pollination() {
  for (const magnet::HostPort& name : config.pollinate) pollinators.push_back({.name = name});
  pollination_hurries_until = now + kHurry;
  if (!pollinators.empty()) pollinate();
}

void Session::Impl::pollinate() {
  bool young = false;
  for (Pollinator& pollinator : pollinators) {
    look_up(pollinator);
    for (const auto& driver : dht_nodes) {
      for (const wire::Endpoint& endpoint : pollinator.endpoints) {
        if (endpoint.family() != driver->family()) continue;
        young = young || driver->node().ring_is_young();
        driver->use(now, [&](dht::Node& node, dht::Output& out) {
          node.find_node_at(now, endpoint, rng.id<wire::Key>(), out);
        });
      }
    }
  }
  pollination_timer.arm(now + (young && now < pollination_hurries_until ? kWhileYoung : kLater));
}

void Session::Impl::look_up(Pollinator& pollinator) {
  if (pollinator.asking || now < pollinator.look_up_at) return;
  pollinator.asking = true;
  host.resolver.resolve(pollinator.name,
                        while_alive([this, name = pollinator.name](const std::vector<wire::Endpoint>& found) {
                          wake([&] {
                            for (Pollinator& p : pollinators) {
                              if (p.name != name) continue;
                              p.asking = false;
                              p.look_up_at = now + (found.empty() ? kNameAgain : kNameHolds);
                              if (!found.empty()) p.endpoints = found;
                            }
                            if (found.empty()) log::info("--pollinate {} has no address now", name.text());
                            pollination_timer.arm(now);
                          });
                        }));
}

void Session::Impl::take_pollen(DhtDriver& driver, const dht::event::QueryDone& answer) {
  const bool asked = std::any_of(pollinators.begin(), pollinators.end(), [&](const Pollinator& p) {
    return std::find(p.endpoints.begin(), p.endpoints.end(), answer.to) != p.endpoints.end();
  });
  if (!asked || answer.nodes.empty()) return;
  driver.use(now, [&](dht::Node& node, dht::Output& out) {
    for (const dht::NodeView& named : answer.nodes) node.suggest(now, named.endpoint, out);
  });
}

}  // namespace lodestone::node
