// SPDX-License-Identifier: Apache-2.0
#include "node/drive/peer_search.hpp"

#include <algorithm>

namespace lodestone::node {

void PeerSearch::start(wire::Instant now, Drivers drivers) {
  active_ = true;
  if (!announce_) {
    wanted_ = true;
    advance(now, drivers);
    return;
  }
  // The announcement begins with a lookup, which finds peers like any other.
  for (const auto& driver : drivers) {
    const dht::LookupId id = driver->use(now, [&](dht::Node& node, dht::Output& out) {
      return node.keep_announced(now, info_hash_, {.port = driver->local().port, .implied_port = false}, out);
    });
    lookups_.push_back({driver.get(), id, true, true, true});
  }
}

void PeerSearch::advance(wire::Instant now, Drivers drivers) {
  if (active_ && announce_) tell_newcomers(now, drivers);
  if (active_ && wanted_) {
    for (const auto& driver : drivers)
      if (driver->node().stored_peers(info_hash_) > told_[driver.get()].heard) look(now, *driver);
  }
  if (!active_ || now < not_before_) return;
  seen_due_ = true;
  if (!wanted_ || running()) return;
  wanted_ = false;
  answering_ = 0;
  for (const auto& driver : drivers) look(now, *driver);
}

void PeerSearch::look(wire::Instant now, DhtDriver& driver) {
  const bool waits =
      std::any_of(lookups_.begin(), lookups_.end(), [&](const Lookup& l) { return l.driver == &driver && l.running; });
  if (waits && !driver.node().ever_answered()) return;  // one is enough
  told_[&driver].heard = driver.node().stored_peers(info_hash_);
  const dht::LookupId id = driver.use(
      now, [&](dht::Node& node, dht::Output& out) { return node.get_peers(now, info_hash_, std::nullopt, out); });
  lookups_.push_back({&driver, id, false, false, true});
}

void PeerSearch::tell_newcomers(wire::Instant now, Drivers drivers) {
  for (const auto& driver : drivers) {
    const bool busy = std::any_of(lookups_.begin(), lookups_.end(), [&](const Lookup& l) {
      return l.driver == driver.get() && l.announces && l.running;
    });
    if (busy || driver->node().table_size() > kTinyTable) continue;
    std::vector<wire::NodeId>& told = told_[driver.get()].nodes;
    bool news = false;
    for (const dht::NodeView& contact : driver->node().closest(wire::Key{info_hash_.bytes()}, kTinyTable)) {
      if (std::find(told.begin(), told.end(), contact.id) != told.end()) continue;
      // Whether it takes it or not, it is tried once; ids of those long gone make room.
      if (told.size() >= 8 * kTinyTable) told.erase(told.begin());
      told.push_back(contact.id);
      news = true;
    }
    if (!news) continue;
    const dht::LookupId id = driver->use(now, [&](dht::Node& node, dht::Output& out) {
      return node.get_peers(now, info_hash_, dht::AnnounceSpec{.port = driver->local().port, .implied_port = false},
                            out);
    });
    lookups_.push_back({driver.get(), id, false, true, true});
  }
}

void PeerSearch::stop(wire::Instant now, Drivers drivers) {
  if (!active_) return;
  active_ = false;
  for (const auto& driver : drivers) {
    driver->use(now, [&](dht::Node& node, dht::Output&) {
      if (announce_) node.withdraw(info_hash_);
      for (const Lookup& lookup : lookups_)
        if (lookup.driver == driver.get() && !lookup.standing) node.cancel(lookup.id);
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
  if (!lookup->announces) lookups_.erase(lookups_.begin() + (lookup - lookups_.data()));
  if (running()) return;
  ++rounds_;
  answered_ = std::exchange(answering_, 0);
  not_before_ = now + back_off_;
  seen_due_ = false;
  back_off_ = std::min(back_off_ * 2, kLastBackOff);
}

std::uint32_t PeerSearch::on_announced(const DhtDriver& driver, const dht::event::AnnounceDone& done) {
  if (Lookup* lookup = find(driver, done.lookup)) {
    Told& told = told_[&driver];
    told.stored = static_cast<std::uint32_t>(done.stored.size());
    for (const dht::NodeView& node : done.stored)
      if (std::find(told.nodes.begin(), told.nodes.end(), node.id) == told.nodes.end()) told.nodes.push_back(node.id);
    if (told.nodes.size() > 8 * kTinyTable) told.nodes.erase(told.nodes.begin(), told.nodes.end() - 8 * kTinyTable);
    if (!lookup->standing) lookups_.erase(lookups_.begin() + (lookup - lookups_.data()));
  }
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
