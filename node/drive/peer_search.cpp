// SPDX-License-Identifier: Apache-2.0
#include "node/drive/peer_search.hpp"

#include <algorithm>
#include <utility>

namespace lodestone::node {

void PeerSearch::start(wire::Instant now, Drivers drivers) {
  active_ = true;
  if (!announce_) {
    wanted_ = true;
    advance(now, drivers);
    return;
  }
  // The announcement begins with a lookup, which finds peers like any other. Nobody waits for those that come later.
  std::map<wire::Family, int> before;
  for (const auto& driver : drivers) {
    const int earlier = before[driver->family()]++;
    lookups_.push_back(
        {driver.get(), announce_on(now, *driver, earlier * kApart), Why::announced, /*running=*/earlier == 0});
  }
}

dht::LookupId PeerSearch::announce_on(wire::Instant now, DhtDriver& driver, wire::Duration delay) const {
  const dht::AnnounceSpec spec{.port = driver.local().port, .implied_port = false, .seed = seed_};
  return driver.use(
      now, [&](dht::Node& node, dht::Output& out) { return node.keep_announced(now, info_hash_, spec, out, delay); });
}

void PeerSearch::set_seed(wire::Instant now, bool seed, Drivers drivers) {
  if (std::exchange(seed_, seed) == seed || !announcing()) return;
  std::map<wire::Family, int> before;
  for (const auto& driver : drivers) (void)announce_on(now, *driver, before[driver->family()]++ * kApart);
}

void PeerSearch::advance(wire::Instant now, Drivers drivers) {
  if (active_ && wanted_) {
    for (const auto& driver : drivers)
      if (driver->node().stored_peers(info_hash_) > told_[driver.get()].heard) look(now, *driver, Why::heard);
  }
  if (!active_ || now < not_before_) return;
  seen_due_ = true;
  if (!wanted_ || running()) return;
  wanted_ = false;
  answering_ = 0;
  for (DhtDriver* driver : one_of_each_family(drivers)) look(now, *driver, Why::wanted);
}

void PeerSearch::look(wire::Instant now, DhtDriver& driver, Why why) {
  // One is enough for what was heard, and one is enough to wait for a first contact.
  const bool enough = std::any_of(lookups_.begin(), lookups_.end(), [&](const Lookup& l) {
    return l.driver == &driver && l.running && ((why == Why::heard && l.why == why) || !driver.node().ever_answered());
  });
  if (enough) return;
  told_[&driver].heard = driver.node().stored_peers(info_hash_);
  const dht::LookupId id = driver.use(
      now, [&](dht::Node& node, dht::Output& out) { return node.get_peers(now, info_hash_, std::nullopt, out); });
  lookups_.push_back({&driver, id, why, true});
}

void PeerSearch::stop(wire::Instant now, Drivers drivers) {
  if (!active_) return;
  active_ = false;
  for (const auto& driver : drivers) {
    driver->use(now, [&](dht::Node& node, dht::Output&) {
      if (announce_) node.withdraw(info_hash_);
      for (const Lookup& lookup : lookups_)
        if (lookup.driver == driver.get() && lookup.why != Why::announced) node.cancel(lookup.id);
    });
  }
  lookups_.clear();
  told_.clear();
}

bool PeerSearch::owns(const DhtDriver& driver, dht::LookupId lookup) const { return find(driver, lookup) != nullptr; }

void PeerSearch::on_done(wire::Instant now, const DhtDriver& driver, const dht::event::LookupDone& done) {
  Lookup* lookup = find(driver, done.lookup);
  if (lookup == nullptr) return;
  asked_ += done.stats.asked;
  answering_ += done.stats.answered;
  lookup->running = false;
  const auto over = [](const Lookup& l) { return l.why != Why::announced && !l.running; };
  if (static_cast<std::size_t>(std::count_if(lookups_.begin(), lookups_.end(), over)) > kRemembered)
    lookups_.erase(std::find_if(lookups_.begin(), lookups_.end(), over));
  if (running()) return;
  ++rounds_;
  answered_ = std::exchange(answering_, 0);
  not_before_ = now + back_off_;
  seen_due_ = false;
  back_off_ = std::min(back_off_ * 2, kLastBackOff);
}

std::uint32_t PeerSearch::on_announced(const DhtDriver& driver, const dht::event::AnnounceDone& done) {
  if (find(driver, done.lookup) != nullptr) told_[&driver].stored = static_cast<std::uint32_t>(done.stored.size());
  std::uint32_t sum = 0;
  for (const auto& [where, told] : told_) sum += told.stored;
  return sum;
}

const PeerSearch::Lookup* PeerSearch::find(const DhtDriver& driver, dht::LookupId id) const {
  const auto it = std::find_if(lookups_.begin(), lookups_.end(),
                               [&](const Lookup& l) { return l.driver == &driver && l.id == id; });
  return it == lookups_.end() ? nullptr : &*it;
}

PeerSearch::Lookup* PeerSearch::find(const DhtDriver& driver, dht::LookupId id) {
  return const_cast<Lookup*>(std::as_const(*this).find(driver, id));
}

// A lookup on a DHT that has never answered (no route of that family, say) waits for its first contact, perhaps for
// ever: it holds up nobody.
bool PeerSearch::running() const {
  return std::any_of(lookups_.begin(), lookups_.end(),
                     [](const Lookup& l) { return l.running && l.driver->node().ever_answered(); });
}

}  // namespace lodestone::node
