// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/settled_crowd.hpp"

#include <algorithm>
#include <cassert>

#include "dht/node_id_security.hpp"

namespace lodestone::tools::sim {
namespace {

/// Later departures are of no simulation's interest.
constexpr Duration kHorizon = std::chrono::hours(24);
constexpr std::size_t kFriends = 3;
constexpr std::size_t kHandedOut = 8;

}  // namespace

SettledCrowd::SettledCrowd(World& world, const PopulationConfig& config)
    : world_(world), config_(config), population_(world, config), rng_(world.fork_rng()) {
  members_.resize(population_.size());
  ranks_.reserve(population_.size() + population_.size() / 8);
  for (Number i = 0; i < population_.size(); ++i) {
    const Resident& r = population_[i];
    members_[i].id = r.id;
    members_[i].endpoint = r.endpoint;
    ranks_.push_back({key_of(r.id), static_cast<std::uint32_t>(i)});
    if (i < config_.lasting) continue;
    members_[i].host = std::make_unique<DhtHost>(world_, r.host, config_.port, crowd_config(r.id), arena_,
                                                 world_.now() - config_.memory);
    const std::vector<dht::KnownContact> table = population_.table_of(i, rng_);
    members_[i].host->use([&](dht::Node& node, dht::Output&) { node.assume(world_.now(), table); });
    leave_at(i, r.leaves);
  }
  std::sort(ranks_.begin(), ranks_.end(), [](const Rank& a, const Rank& b) { return a.key < b.key; });
}

dht::NodeConfig SettledCrowd::crowd_config(const wire::NodeId& id) const {
  dht::NodeConfig config;
  config.id = id;
  config.policy.allow(wire::AddressKind::global);
  config.limits = dht::Limits::client();
  config.limits.bucket_refresh = config_.memory;
  config.limits.verify_min = config.limits.verify_max = Duration::zero();
  config.limits.contact_store = config.limits.cached_lookups = 0;
  return config;
}

// --- the caller's own ---

std::vector<dht::KnownContact> SettledCrowd::table_of(Number number) { return population_.table_of(number, rng_); }

std::unique_ptr<DhtHost> SettledCrowd::stand_in(Number number, const std::function<void(dht::NodeConfig&)>& adjust) {
  assert(number < config_.lasting);
  const Resident& r = population_[number];
  dht::NodeConfig config;
  config.id = r.id;
  config.policy.allow(wire::AddressKind::global);
  config.limits.contact_store = config.limits.cached_lookups = 0;
  if (adjust) adjust(config);
  auto host =
      std::make_unique<DhtHost>(world_, r.host, config_.port, std::move(config), arena_, world_.now() - config_.memory);
  const std::vector<dht::KnownContact> table = table_of(number);
  host->use([&](dht::Node& node, dht::Output&) { node.assume(world_.now(), table); });
  return host;
}

// --- coming and going ---

void SettledCrowd::leave_at(Number number, Instant when) {
  if (when > world_.now() + kHorizon) return;
  world_.at(when, [this, number] {
    leave(number);
    join();
  });
}

void SettledCrowd::leave(Number number) {
  Member& member = members_[number];
  assert(member.host != nullptr);
  world_.set_up(member.host->host(), false);
  member.host.reset();
  const auto [from, to] = std::equal_range(ranks_.begin(), ranks_.end(), Rank{key_of(member.id), 0},
                                           [](const Rank& a, const Rank& b) { return a.key < b.key; });
  const auto rank = std::find_if(from, to, [number](const Rank& r) { return r.number == number; });
  assert(rank != to);
  ranks_.erase(rank);
  ++departures_;
}

void SettledCrowd::join() {
  const std::vector<Endpoint> known = introducers(kFriends);
  const HostId host = world_.add_host({.nat = config_.nat.draw(rng_)});
  Member member;
  member.id = dht::derive_id(world_.address(host), rng_);
  member.endpoint = {world_.address(host), config_.port};
  member.host = std::make_unique<DhtHost>(world_, host, config_.port, crowd_config(member.id), arena_);
  DhtHost& made = *member.host;
  members_.push_back(std::move(member));
  enter_rank(members_.size() - 1);
  made.join(known);
  leave_at(members_.size() - 1, world_.now() + config_.churn.draw_session(rng_));
}

void SettledCrowd::enter_rank(Number number) {
  const Rank rank{key_of(members_[number].id), static_cast<std::uint32_t>(number)};
  ranks_.insert(
      std::upper_bound(ranks_.begin(), ranks_.end(), rank, [](const Rank& a, const Rank& b) { return a.key < b.key; }),
      rank);
}

DhtHost& SettledCrowd::random_open() {
  while (true) {
    const Rank& rank = ranks_[static_cast<std::size_t>(rng_.below(ranks_.size()))];
    const Member& member = members_[rank.number];
    if (member.host != nullptr && world_.nat(member.host->host()) == NatKind::open) return *member.host;
  }
}

std::vector<Endpoint> SettledCrowd::introducers(std::size_t n) {
  std::vector<Endpoint> out;
  for (std::size_t i = 0; i < n; ++i) {
    const Endpoint& endpoint = random_open().local();
    if (std::find(out.begin(), out.end(), endpoint) == out.end()) out.push_back(endpoint);
  }
  return out;
}

// --- the truth ---

std::vector<SettledCrowd::Place> SettledCrowd::closest_reachable(const wire::Key& target, std::size_t n) const {
  const std::uint64_t key = wire::load_be64(target.bytes().data());
  std::vector<Place> out;
  // The keys that share so many bits with the target are one stretch, and closer than all others; a bit less is twice
  // as many.
  int bits = 0;
  for (std::size_t expected = ranks_.size(); expected > 4 * n && bits < 63; expected /= 2) ++bits;
  for (;; --bits) {
    const std::uint64_t rest = bits == 0 ? ~std::uint64_t{0} : (std::uint64_t{1} << (64 - bits)) - 1;
    const auto from = std::lower_bound(ranks_.begin(), ranks_.end(), key & ~rest,
                                       [](const Rank& r, std::uint64_t k) { return r.key < k; });
    const auto to =
        std::upper_bound(from, ranks_.end(), key | rest, [](std::uint64_t k, const Rank& r) { return k < r.key; });
    out.clear();
    for (auto it = from; it != to; ++it) {
      const Member& m = members_[it->number];
      if (world_.answers_strangers(m.endpoint)) out.push_back({m.id, m.endpoint});
    }
    if (out.size() >= n || bits == 0) break;
  }
  const std::size_t found = std::min(n, out.size());
  std::partial_sort(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(found), out.end(),
                    [&](const Place& a, const Place& b) { return wire::closer(target, a.id, b.id); });
  out.resize(found);
  return out;
}

std::size_t SettledCrowd::copies(const wire::InfoHash& info_hash) const {
  constexpr std::size_t kAround = 32;
  std::size_t n = 0;
  for (const Place& place : closest_reachable(wire::Key{info_hash.bytes()}, kAround)) {
    const auto rank = std::lower_bound(ranks_.begin(), ranks_.end(), key_of(place.id),
                                       [](const Rank& r, std::uint64_t k) { return r.key < k; });
    const Member& m = members_[rank->number];
    n += m.host != nullptr && m.id == place.id && m.host->node().stored_peers(info_hash) > 0;
  }
  return n;
}

double SettledCrowd::dead_share(std::size_t samples) {
  std::size_t dead = 0, all = 0;
  for (std::size_t i = 0; i < samples; ++i) {
    const dht::Node& node = random_open().node();
    for (const dht::NodeView& entry : node.closest(rng_.id<wire::Key>(), kHandedOut)) {
      ++all;
      dead += !world_.answers_strangers(entry.endpoint);
    }
  }
  return all == 0 ? 0 : static_cast<double>(dead) / static_cast<double>(all);
}

double SettledCrowd::living_share(std::size_t nodes) {
  std::size_t living = 0, all = 0;
  for (std::size_t i = 0; i < nodes; ++i) {
    const dht::Node& node = random_open().node();
    for (const dht::NodeView& entry : node.closest(wire::Key{node.id().bytes()}, node.table_size())) {
      const auto host = world_.find(entry.endpoint.address);
      ++all;
      living += host && world_.up(*host);
    }
  }
  return all == 0 ? 0 : static_cast<double>(living) / static_cast<double>(all);
}

}  // namespace lodestone::tools::sim
