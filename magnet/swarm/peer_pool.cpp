// SPDX-License-Identifier: Apache-2.0
#include "magnet/swarm/peer_pool.hpp"

#include <algorithm>
#include <cassert>
#include <tuple>

#include "magnet/swarm/peer_priority.hpp"

namespace lodestone::magnet {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMaxBanned = 4'096;

wire::SipKey draw_key(wire::Rng& rng) {
  wire::SipKey key;
  rng.fill(key);
  return key;
}

/// Whom to believe first: the user, then whoever came to us, then the DHT, then hearsay.
int trust(PeerSource s) {
  switch (s) {
    case PeerSource::magnet: return 4;
    case PeerSource::lsd: return 3;
    case PeerSource::incoming: return 2;
    case PeerSource::dht: return 1;
    case PeerSource::pex: return 0;
  }
  return 0;
}

}  // namespace

std::size_t PeerPool::KeyedHash::operator()(const wire::Endpoint& e) const {
  std::array<std::uint8_t, 18> compact;
  const std::size_t n = e.write_compact(compact.data());
  return wire::siphash(key, {compact.data(), n});
}

std::size_t PeerPool::KeyedHash::operator()(const wire::Address& a) const { return wire::siphash(key, a.bytes()); }

PeerPool::PeerPool(PeerPoolConfig config, wire::Rng rng)
    : config_(config),
      rng_(std::move(rng)),
      dials_(config.dials_per_second, std::max(1.0, config.dials_per_second)),
      index_(16, KeyedHash{draw_key(rng_)}),
      links_(16, KeyedHash{draw_key(rng_)}) {}

// --- who is there ---

bool PeerPool::add(wire::Instant now, const wire::Endpoint& endpoint, PeerSource source) {
  if (!config_.policy.allows(endpoint) || banned(endpoint) || is_own(endpoint)) return false;
  if (Entry* known = find(endpoint)) {
    // Named by the user as well: then it must not be thrown out for a stranger's hearsay.
    if (source == PeerSource::magnet && known->source != source) {
      --held_[static_cast<std::size_t>(known->source)];
      known->source = source;
      ++held_[static_cast<std::size_t>(source)];
    }
    return false;
  }
  if (!make_room(source)) return false;
  index_.emplace(endpoint, static_cast<std::uint32_t>(entries_.size()));
  entries_.push_back({.endpoint = endpoint, .source = source, .rank = rank_of(endpoint), .next_try = now});
  ++held_[static_cast<std::size_t>(source)];
  ++seen_[static_cast<std::size_t>(source)];
  nothing_before_ = std::min(nothing_before_, now);
  return true;
}

bool PeerPool::make_room(PeerSource source) {
  const auto share = static_cast<std::size_t>(kSourceShare * static_cast<double>(config_.max_known));
  const bool full_share = source != PeerSource::magnet && held_[static_cast<std::size_t>(source)] >= share;
  if (!full_share && entries_.size() < config_.max_known) return true;
  // The one that has failed most often goes, of the same source when that has its share: else endpoints that died long
  // ago would keep new ones out for ever. Nobody who has not failed goes, unless for an endpoint of the user's.
  std::size_t worst = entries_.size();
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const Entry& e = entries_[i];
    if (e.state != State::idle || e.useful || e.source == PeerSource::magnet) continue;
    if (full_share && e.source != source) continue;
    if (worst == entries_.size() || e.failures > entries_[worst].failures) worst = i;
  }
  if (worst == entries_.size()) return false;
  if (entries_[worst].failures == 0 && source != PeerSource::magnet) return false;
  erase(worst);
  return true;
}

void PeerPool::erase(std::size_t index) {
  --held_[static_cast<std::size_t>(entries_[index].source)];
  index_.erase(entries_[index].endpoint);
  if (index + 1 != entries_.size()) {
    entries_[index] = entries_.back();
    index_.at(entries_[index].endpoint) = static_cast<std::uint32_t>(index);
  }
  entries_.pop_back();
}

PeerPool::Entry* PeerPool::find(const wire::Endpoint& endpoint) {
  const auto it = index_.find(endpoint);
  return it == index_.end() ? nullptr : &entries_[it->second];
}

std::uint32_t PeerPool::rank_of(const wire::Endpoint& endpoint) {
  for (const wire::Endpoint& own : own_)
    if (own.family() == endpoint.family()) return canonical_priority(own, endpoint);
  return static_cast<std::uint32_t>(rng_.next());
}

void PeerPool::add_own(const wire::Endpoint& endpoint) {
  if (is_own(endpoint)) return;
  own_.push_back(endpoint);
  for (std::size_t i = entries_.size(); i-- > 0;) {
    if (entries_[i].state == State::idle && is_own(entries_[i].endpoint))
      erase(i);
    else
      entries_[i].rank = rank_of(entries_[i].endpoint);
  }
}

bool PeerPool::is_own(const wire::Endpoint& endpoint) const {
  return std::find(own_.begin(), own_.end(), endpoint) != own_.end();
}

void PeerPool::keep_only_explicit() {
  for (std::size_t i = entries_.size(); i-- > 0;)
    if (entries_[i].state == State::idle && entries_[i].source != PeerSource::magnet) erase(i);
}

// --- dialling ---

PeerPool::Entry* PeerPool::best(wire::Instant now) {
  Entry* chosen = nullptr;
  wire::Instant soonest = wire::kNever;
  const auto merit = [](const Entry& e) {
    return std::tuple(e.useful, -static_cast<int>(std::min<std::uint8_t>(e.failures, 3)), trust(e.source), e.rank);
  };
  for (Entry& e : entries_) {
    if (e.state != State::idle) continue;
    if (e.next_try > now) {
      soonest = std::min(soonest, e.next_try);
      continue;
    }
    if (!has_room(e.endpoint.address)) continue;  // a closing link there sets nothing_before_ back
    if (chosen == nullptr || merit(e) > merit(*chosen)) chosen = &e;
  }
  nothing_before_ = chosen != nullptr ? now : soonest;
  return chosen;
}

std::optional<action::Dial> PeerPool::next_dial(wire::Instant now, std::size_t links) {
  if (half_open_ >= std::min(config_.max_half_open, links) || now < nothing_before_) return std::nullopt;
  if (dials_.available(now) < 1) return std::nullopt;
  Entry* entry = best(now);
  if (entry == nullptr) return std::nullopt;
  dials_.take(now);
  entry->state = State::dialing;
  ++half_open_;
  count(entry->endpoint.address, +1);
  return action::Dial{entry->endpoint, entry->source};
}

wire::Instant PeerPool::next_deadline(wire::Instant now, std::size_t links) {
  if (half_open_ >= std::min(config_.max_half_open, links) || nothing_before_ == wire::kNever) return wire::kNever;
  return std::max(nothing_before_, dials_.ready_at(now));
}

void PeerPool::count(const wire::Address& address, int change) {
  auto& n = links_[address];
  assert(change > 0 || n > 0);
  n = static_cast<std::uint32_t>(static_cast<int>(n) + change);
  if (n == 0) links_.erase(address);
}

bool PeerPool::has_room(const wire::Address& address) const {
  if (config_.private_net) return true;
  const auto it = links_.find(address);
  return it == links_.end() || it->second < kPerAddress;
}

void PeerPool::back_off(wire::Instant now, Entry& entry, wire::Duration base) {
  const int doublings = std::min<int>(entry.failures, 10);
  if (entry.failures < 255) ++entry.failures;
  const double seconds = std::min(wire::to_seconds(base) * static_cast<double>(1 << doublings),
                                  std::max(wire::to_seconds(base), wire::to_seconds(kLongestBackOff)));
  entry.next_try = now + wire::from_seconds(seconds * (0.8 + 0.4 * rng_.unit()));
  nothing_before_ = std::min(nothing_before_, entry.next_try);
}

void PeerPool::dial_failed(wire::Instant now, const wire::Endpoint& endpoint, DialError error) {
  Entry* entry = find(endpoint);
  if (entry == nullptr || entry->state != State::dialing) return;
  entry->state = State::idle;
  --half_open_;
  count(endpoint.address, -1);
  nothing_before_ = std::min(nothing_before_, now);  // the address has room again
  if (error == DialError::refused) ++refused_;
  if (error == DialError::timed_out) ++timed_out_;
  // `local` includes that we have found ourselves: there is no hurry to do that again.
  back_off(now, *entry, error == DialError::local ? wire::Duration(60s) : kFirstBackOff);
}

PeerSource PeerPool::link_up(const wire::Endpoint& remote, bool incoming) {
  if (incoming) {
    count(remote.address, +1);
    return PeerSource::incoming;
  }
  Entry* entry = find(remote);
  if (entry != nullptr && entry->state == State::dialing) {
    --half_open_;  // the address was counted when the dial began
    entry->state = State::linked;
    return entry->source;
  }
  count(remote.address, +1);
  if (entry == nullptr) return PeerSource::magnet;
  entry->state = State::linked;
  return entry->source;
}

bool PeerPool::learnt_listen_port(wire::Instant now, const wire::Endpoint& listen) {
  add(now, listen, PeerSource::incoming);
  Entry* entry = find(listen);
  if (entry == nullptr) return true;
  if (entry->state != State::idle) return false;
  entry->state = State::linked;
  return true;
}

void PeerPool::link_down(wire::Instant now, const wire::Address& address, const wire::Endpoint& entry_name,
                         CloseReason reason, bool useful) {
  count(address, -1);
  nothing_before_ = std::min(nothing_before_, now);  // the address has room again
  Entry* entry = entry_name.port == 0 ? nullptr : find(entry_name);
  if (entry == nullptr || entry->state != State::linked) return;
  entry->state = State::idle;
  entry->useful = entry->useful || useful;
  switch (reason) {
    case CloseReason::banned:
    case CloseReason::duplicate:
    case CloseReason::not_needed: return back_off(now, *entry, 10min);
    case CloseReason::protocol_error:
    case CloseReason::too_many: return back_off(now, *entry, 60s);
    default: break;
  }
  if (useful) entry->failures = 0;
  back_off(now, *entry, useful ? wire::Duration(2s) : wire::Duration(15s));
}

// --- bans ---

void PeerPool::ban(const wire::Endpoint& culprit) {
  if (banned_.size() < kMaxBanned) banned_.insert(culprit);
  for (std::size_t i = entries_.size(); i-- > 0;)
    if (entries_[i].state == State::idle && banned(entries_[i].endpoint)) erase(i);
}

bool PeerPool::banned(const wire::Endpoint& endpoint) const {
  return banned_.contains(endpoint) || banned_.contains(wire::Endpoint{endpoint.address, 0});
}

void PeerPool::check_invariants() const {
#ifndef NDEBUG
  std::size_t dialing = 0;
  std::array<std::size_t, kPeerSources> held{};
  for (const Entry& e : entries_) {
    dialing += e.state == State::dialing;
    ++held[static_cast<std::size_t>(e.source)];
    assert(e.state != State::dialing || links_.contains(e.endpoint.address));
  }
  assert(dialing == half_open_ && held == held_ && index_.size() == entries_.size());
  assert(entries_.size() <= config_.max_known);
#endif
}

}  // namespace lodestone::magnet
