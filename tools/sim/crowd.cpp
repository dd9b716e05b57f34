// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/crowd.hpp"

#include <algorithm>
#include <cassert>
#include <unordered_set>

namespace lodestone::tools::sim {

Crowd::Crowd(World& world, const CrowdConfig& config) : world_(world), config_(config), rng_(world.fork_rng()) {}

// --- coming and going ---

void Crowd::join_all(Duration settle) {
  const Instant begin = world_.now();
  if (config_.nodes > 0) (void)add();
  for (std::size_t i = 1; i < config_.nodes; ++i) {
    const Duration after = wire::from_seconds(wire::to_seconds(config_.join_window) * rng_.unit());
    world_.at(begin + after, [this] { (void)add(); });
  }
  world_.run_until(begin + config_.join_window + settle);
}

Crowd::Index Crowd::add() {
  const bool first = hosts_.empty();
  const HostId host = world_.add_host({.nat = first ? NatKind::open : config_.nat.draw(rng_)});
  dht::NodeConfig node_config = public_node_config(rng_, world_.address(host));
  if (config_.adjust) config_.adjust(node_config);
  std::vector<Endpoint> introducers;
  if (!first) introducers.push_back(introducer_);
  // A network that has lost its introducer's favour must still let people in: saved contacts, friends.
  for (int i = 0; i < 2 && living_.size() > 1; ++i) {
    const Endpoint& friendly = hosts_[random()]->local();
    if (std::find(introducers.begin(), introducers.end(), friendly) == introducers.end())
      introducers.push_back(friendly);
  }
  const Index index = hosts_.size();
  hosts_.push_back(std::make_unique<DhtHost>(world_, host, config_.port, std::move(node_config), arena_));
  living_.push_back(index);
  DhtHost& made = *hosts_.back();
  made.on_event([this, index](dht::Event&& event) { on_event(index, std::move(event)); });
  if (first) {
    introducer_ = made.local();
  } else {
    made.join(introducers);
    if (churn_) depart_later(index, churn_->draw_session(rng_));
  }
  return index;
}

void Crowd::remove(Index index) {
  assert(alive(index));
  world_.set_up(hosts_[index]->host(), false);
  hosts_[index].reset();
  living_.erase(std::lower_bound(living_.begin(), living_.end(), index));
  lookups_.erase(index);
  ++departures_;
}

void Crowd::start_churn(const Churn& churn) {
  churn_ = churn;
  for (const Index index : living_)
    if (hosts_[index]->local() != introducer_) depart_later(index, churn.draw_residual(rng_));
}

void Crowd::depart_later(Index index, Duration session) {
  world_.at(world_.now() + session, [this, index] {
    if (!alive(index)) return;
    remove(index);
    (void)add();
  });
}

// --- looking ---

Crowd::Index Crowd::random() { return living_[static_cast<std::size_t>(rng_.below(living_.size()))]; }

std::vector<wire::NodeId> Crowd::closest(const wire::Key& target, std::size_t n, std::optional<Index> but) const {
  std::vector<wire::NodeId> ids;
  for (const Index index : living_) {
    if (index == but || world_.nat(hosts_[index]->host()) != NatKind::open) continue;
    ids.push_back(hosts_[index]->node().id());
  }
  n = std::min(n, ids.size());
  std::partial_sort(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(n), ids.end(),
                    [&](const wire::NodeId& a, const wire::NodeId& b) { return wire::closer(target, a, b); });
  ids.resize(n);
  return ids;
}

double Crowd::living_share_of_tables(std::size_t per_node) const {
  std::unordered_set<wire::NodeId> there;
  for (const Index index : living_) there.insert(hosts_[index]->node().id());
  std::size_t entries = 0, good = 0;
  for (const Index index : living_) {
    const dht::Node& node = hosts_[index]->node();
    for (const dht::NodeView& entry : node.closest(wire::Key{node.id().bytes()}, per_node)) {
      ++entries;
      if (there.contains(entry.id)) ++good;
    }
  }
  return entries == 0 ? 0 : static_cast<double>(good) / static_cast<double>(entries);
}

// --- asking ---

Crowd::LookupTicket Crowd::find_node(Index from, const wire::Key& target) {
  return ask(from, [&](dht::Node& node, dht::Output& out) { return node.find_node(world_.now(), target, out); });
}

Crowd::LookupTicket Crowd::get_peers(Index from, const wire::InfoHash& info_hash,
                                     std::optional<dht::AnnounceSpec> announce) {
  return ask(from,
             [&](dht::Node& node, dht::Output& out) { return node.get_peers(world_.now(), info_hash, announce, out); });
}

void Crowd::on_event(Index index, dht::Event&& event) {
  const auto report_of = [&](dht::LookupId id) -> LookupReport* {
    const auto node = lookups_.find(index);
    if (node == lookups_.end()) return nullptr;
    const auto lookup = node->second.find(id);
    if (lookup == node->second.end()) return nullptr;
    if (lookup->second.use_count() > 1) return lookup->second.get();
    // Whoever asked has dropped the ticket.
    node->second.erase(lookup);
    if (node->second.empty()) lookups_.erase(node);
    return nullptr;
  };
  if (auto* found = std::get_if<dht::event::PeersFound>(&event)) {
    if (LookupReport* report = report_of(found->lookup))
      report->peers.insert(report->peers.end(), found->peers.begin(), found->peers.end());
  } else if (auto* done = std::get_if<dht::event::LookupDone>(&event)) {
    if (LookupReport* report = report_of(done->lookup)) {
      report->done = true;
      report->stats = std::move(done->stats);
    }
  } else if (auto* announced = std::get_if<dht::event::AnnounceDone>(&event)) {
    if (LookupReport* report = report_of(announced->lookup)) {
      report->announced = true;
      report->stored = std::move(announced->stored);
    }
  } else if (auto* put = std::get_if<dht::event::PutDone>(&event)) {
    if (LookupReport* report = report_of(put->lookup)) {
      report->announced = true;
      report->stored = std::move(put->stored);
    }
  } else if (auto* item = std::get_if<dht::event::ItemDone>(&event)) {
    if (LookupReport* report = report_of(item->lookup)) report->item = std::move(*item);
  } else if (auto* scrape = std::get_if<dht::event::ScrapeDone>(&event)) {
    if (LookupReport* report = report_of(scrape->lookup)) report->scrape = *scrape;
  } else if (auto* samples = std::get_if<dht::event::Samples>(&event)) {
    if (LookupReport* report = report_of(samples->lookup)) report->samples.push_back(std::move(*samples));
  }
}

}  // namespace lodestone::tools::sim
