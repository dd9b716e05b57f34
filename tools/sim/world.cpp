// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/world.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace lodestone::tools::sim {
namespace {

/// Slots of a vector that are used again.
template <class T>
std::uint32_t take_slot(std::vector<T>& slots, std::vector<std::uint32_t>& free) {
  if (free.empty()) {
    slots.emplace_back();
    return static_cast<std::uint32_t>(slots.size() - 1);
  }
  const std::uint32_t slot = free.back();
  free.pop_back();
  return slot;
}

/// Some time that is not zero, so that a unit that takes zero for "never" is found out.
constexpr Instant kBeginning = Instant{std::chrono::hours(24)};

}  // namespace

World::World(const WorldConfig& config)
    : rng_(wire::Rng::from_number(config.seed)), links_(config.links), now_(kBeginning) {}

// --- time ---

bool World::step() {
  if (queue_.empty()) return false;
  const EventQueue::Entry entry = queue_.pop();
  assert(entry.at >= now_);
  now_ = entry.at;
  ++counters_.events;
  switch (static_cast<Kind>(entry.kind)) {
    case Kind::datagram: deliver(entry.slot); break;
    case Kind::timer: ring({entry.slot, entry.generation}, entry.at); break;
    case Kind::call: {
      const Call call = std::exchange(calls_[entry.slot], nullptr);
      free_calls_.push_back(entry.slot);
      call();
      break;
    }
  }
  return true;
}

void World::run_until(Instant until) {
  while (!queue_.empty() && queue_.top().at <= until) step();
  now_ = std::max(now_, until);
}

bool World::run_until(Instant deadline, const std::function<bool()>& done) {
  if (done()) return true;
  while (!queue_.empty() && queue_.top().at <= deadline) {
    step();
    if (done()) return true;
  }
  now_ = std::max(now_, deadline);
  return false;
}

void World::at(Instant when, Call call) {
  const std::uint32_t slot = take_slot(calls_, free_calls_);
  calls_[slot] = std::move(call);
  queue_.push(std::max(when, now_), static_cast<std::uint32_t>(Kind::call), slot, 0);
}

World::TimerKey World::make_timer(Call call) {
  const TimerKey key = alarms_.emplace();
  alarms_.find(key)->call = std::move(call);
  return key;
}

void World::arm(TimerKey key, Instant when) {
  Alarm* alarm = alarms_.find(key);
  assert(alarm != nullptr);
  alarm->due = when == wire::kNever ? when : std::max(when, now_);
  // An entry that comes too early finds out when it is its turn; only an earlier deadline needs a new one.
  if (alarm->due >= alarm->queued) return;
  alarm->queued = alarm->due;
  queue_.push(alarm->due, static_cast<std::uint32_t>(Kind::timer), key.slot, key.generation);
}

void World::disarm(TimerKey key) { arm(key, wire::kNever); }

void World::drop_timer(TimerKey key) { alarms_.erase(key); }

void World::ring(TimerKey key, Instant at) {
  Alarm* alarm = alarms_.find(key);
  if (alarm == nullptr || alarm->queued != at) return;  // its owner is gone, or an earlier entry took over
  alarm->queued = wire::kNever;
  if (alarm->due == wire::kNever) return;
  if (alarm->due > now_) {
    arm(key, alarm->due);
    return;
  }
  alarm->due = wire::kNever;
  alarm->call();
}

// --- hosts ---

HostId World::add_host(const HostSpec& spec) {
  const auto id = static_cast<HostId>(hosts_.size());
  const Place place = spec.place ? *spec.place : links_.draw_place(rng_);
  const Address host_address = spec.address ? *spec.address : draw_address();
  hosts_.push_back(Host{host_address, place, Nat(spec.nat), 0, true, nullptr, nullptr});
  [[maybe_unused]] const bool fresh = by_address_.emplace(host_address, id).second;
  assert(fresh);
  return id;
}

/// Each in a /24 of its own, spread over the whole space, so that no rule about neighbours (L8, T4) sees neighbours.
Address World::draw_address() {
  while (true) {
    const std::uint32_t prefix = (addresses_++ * 0x9e3779b1u) >> 8;  // odd multiplier: a permutation of 2^32
    const Address candidate = Address::v4(prefix << 8 | (1 + addresses_ % 250));
    if (candidate.kind() != wire::AddressKind::global) continue;
    if (!by_address_.contains(candidate)) return candidate;
  }
}

void World::set_up(HostId host, bool up) {
  hosts_[host].up = up;
  if (!up) hosts_[host].nat.forget();
}

std::optional<HostId> World::find(const Address& address) const {
  const auto it = by_address_.find(address);
  if (it == by_address_.end()) return std::nullopt;
  return it->second;
}

Duration World::one_way(HostId a, HostId b) const { return LinkModel::one_way(hosts_[a].place, hosts_[b].place); }

// --- datagrams ---

void World::bind(HostId host, std::uint16_t port, DatagramHandler handler) {
  hosts_[host].port = port;
  hosts_[host].handler = std::move(handler);
}

void World::send(HostId from, const Endpoint& to, Bytes payload) {
  Host& sender = hosts_[from];
  assert(sender.port != 0);
  if (!sender.up) return;  // the cable is out: nothing leaves
  const Endpoint source{sender.address, sender.nat.leave(now_, sender.port, to)};
  digest_.add(now_, source, to, payload);
  if (sender.observer != nullptr) sender.observer->on_sent(now_, to, payload);
  ++counters_.datagrams_sent;
  counters_.bytes_sent += payload.size();
  const auto receiver = find(to.address);
  if (!receiver) {
    ++counters_.datagrams_to_nobody;
    return;
  }
  if (links_.draw_loss(rng_)) {
    ++counters_.datagrams_lost;
    return;
  }
  const std::uint32_t slot = take_slot(flights_, free_flights_);
  Flight& flight = flights_[slot];
  flight.from = source;
  flight.to = *receiver;
  flight.to_port = to.port;
  flight.payload.assign(payload.begin(), payload.end());
  const Duration delay = one_way(from, *receiver) + links_.draw_jitter(rng_);
  queue_.push(now_ + delay, static_cast<std::uint32_t>(Kind::datagram), slot, 0);
}

bool World::answers_strangers(const Endpoint& endpoint) const {
  const auto id = find(endpoint.address);
  if (!id) return false;
  const Host& host = hosts_[*id];
  // Nobody sends from there: no pinhole is open towards it.
  const Endpoint stranger{Address{}, 1};
  return host.up && host.handler && host.nat.enter(now_, endpoint.port, stranger) == host.port;
}

void World::deliver(std::uint32_t slot) {
  // The handler may send, and flights_ may move: the payload leaves its slot, and its memory is free after that: what
  // a crowd has in flight while it joins is many times what it has later.
  const Flight flight = std::move(flights_[slot]);
  const Host& host = hosts_[flight.to];
  if (!host.up || !host.handler) {
    ++counters_.datagrams_to_nobody;
  } else if (const auto port = host.nat.enter(now_, flight.to_port, flight.from); !port) {
    ++counters_.datagrams_filtered;
  } else if (*port != host.port) {
    ++counters_.datagrams_to_nobody;
  } else {
    ++counters_.datagrams_delivered;
    if (host.observer != nullptr) host.observer->on_received(now_, flight.from, flight.payload);
    const DatagramHandler handler = host.handler;  // it may bind anew
    handler(flight.from, flight.payload);
  }
  free_flights_.push_back(slot);
}

}  // namespace lodestone::tools::sim
