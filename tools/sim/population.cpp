// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/population.hpp"

#include <algorithm>
#include <cassert>
#include <numeric>

#include "dht/node_id_security.hpp"

namespace lodestone::tools::sim {
namespace {

/// Capacities of the buckets by depth, as dht::RoutingTable has them; the rest have as many as the last.
constexpr std::size_t kBuckets[] = {128, 64, 32, 16, 8};

bool behind_nat(NatKind nat) { return nat == NatKind::port_restricted || nat == NatKind::unreachable; }

/// Somebody behind a symmetric NAT is known by a port that was opened for whoever told of him.
std::uint16_t public_port(NatKind nat, std::uint16_t port, wire::Rng& rng) {
  return nat == NatKind::unreachable ? static_cast<std::uint16_t>(20'000 + rng.below(40'000)) : port;
}

}  // namespace

Population::Population(World& world, const PopulationConfig& config) : config_(config), present_(config.nodes) {
  wire::Rng rng = world.fork_rng();
  // Departures are a Poisson stream whose rate keeps the network as large as it is.
  const double rate = static_cast<double>(config.nodes) / wire::to_seconds(config.churn.mean());
  const auto departed = static_cast<std::size_t>(rate * wire::to_seconds(config.memory));
  residents_.reserve(present_ + departed);
  for (std::size_t i = 0; i < present_; ++i) {
    Resident r;
    const bool lasting = i < config.lasting;
    r.nat = lasting ? NatKind::open : config.nat.draw(rng);
    r.host = world.add_host({.nat = r.nat});
    r.place = world.place(r.host);
    r.id = dht::derive_id(world.address(r.host), rng);
    r.endpoint = {world.address(r.host), public_port(r.nat, config.port, rng)};
    if (!lasting) r.leaves = world.now() + config.churn.draw_residual(rng);
    residents_.push_back(r);
  }
  for (std::size_t i = 0; i < departed; ++i) {
    Resident r;
    r.nat = config.nat.draw(rng);
    r.place = world.links().draw_place(rng);
    r.endpoint = {world.draw_address(), public_port(r.nat, config.port, rng)};
    r.id = dht::derive_id(r.endpoint.address, rng);
    r.left_ago = std::max(Duration{1}, wire::from_seconds(wire::to_seconds(config.memory) * rng.unit()));
    residents_.push_back(r);
  }
  by_key_.resize(residents_.size());
  std::iota(by_key_.begin(), by_key_.end(), 0u);
  std::sort(by_key_.begin(), by_key_.end(),
            [this](std::uint32_t a, std::uint32_t b) { return residents_[a].id < residents_[b].id; });
  keys_.reserve(by_key_.size());
  for (const std::uint32_t i : by_key_) keys_.push_back(key_of(residents_[i].id));
  taken_for_.resize(residents_.size());
  settle_weights(config.dead);
}

double Population::weight(const Resident& r) const {
  const double kind = behind_nat(r.nat) ? nat_weight_ : 1;
  if (!r.gone()) return kind;
  return kind * gone_weight_ * (1 - wire::to_seconds(r.left_ago) / wire::to_seconds(config_.memory));
}

void Population::settle_weights(std::optional<double> dead) {
  double reachable = 0, hidden = 0, gone = 0, gone_hidden = 0;
  for (const Resident& r : residents_) {
    if (!r.gone()) {
      ++(behind_nat(r.nat) ? hidden : reachable);
    } else {
      (behind_nat(r.nat) ? gone_hidden : gone) += weight(r);
    }
  }
  if (dead) {
    assert(*dead >= 0 && *dead < 1);
    // So much weight the dead must have beside the living.
    const double wanted = reachable * *dead / (1 - *dead);
    if (wanted <= gone || hidden == 0) {
      nat_weight_ = 0;
      gone_weight_ = gone == 0 ? 0 : wanted / gone;
    } else {
      nat_weight_ = (wanted - gone) / (hidden + gone_hidden);
    }
  }
  const double all_dead = nat_weight_ * (hidden + gone_weight_ * gone_hidden) + gone_weight_ * gone;
  expected_dead_ = all_dead == 0 ? 0 : all_dead / (all_dead + reachable);
}

std::vector<dht::KnownContact> Population::table_of(std::size_t number, wire::Rng& rng) {
  const Resident& asker = residents_[number];
  const std::uint64_t own = key_of(asker.id);
  const std::uint32_t draw = ++draws_;
  const double heaviest = std::max({1.0, nat_weight_, nat_weight_ * gone_weight_, gone_weight_});
  taken_for_[number] = draw;
  std::vector<dht::KnownContact> out;
  for (unsigned depth = 0; depth < 64; ++depth) {
    // The keys that share exactly `depth` bits with ours.
    const std::uint64_t bit = std::uint64_t{1} << (63 - depth);
    const std::uint64_t first = (own ^ bit) & ~(bit - 1);
    const auto from = std::lower_bound(keys_.begin(), keys_.end(), first);
    const auto to = std::upper_bound(from, keys_.end(), first | (bit - 1));
    const auto begin = static_cast<std::size_t>(from - keys_.begin());
    const auto n = static_cast<std::size_t>(to - from);
    const std::size_t room = kBuckets[std::min<std::size_t>(depth, std::size(kBuckets) - 1)];
    if (n <= 2 * room) {
      // Few enough to know all of them, as far as they are known at all.
      std::vector<std::uint32_t> all(by_key_.begin() + static_cast<std::ptrdiff_t>(begin),
                                     by_key_.begin() + static_cast<std::ptrdiff_t>(begin + n));
      rng.shuffle(all);
      std::size_t taken = 0;
      for (const std::uint32_t i : all) {
        if (taken == room) break;
        if (!rng.chance(weight(residents_[i]))) continue;
        take(residents_[i], asker, out, rng);
        ++taken;
      }
    } else {
      // Who is hardly anywhere is drawn hardly ever; a bucket that could not be filled stays as it is.
      std::size_t taken = 0;
      for (std::size_t tries = 0; taken < room && tries < 64 * room; ++tries) {
        const std::uint32_t i = by_key_[begin + static_cast<std::size_t>(rng.below(n))];
        if (taken_for_[i] == draw || !rng.chance(weight(residents_[i]) / heaviest)) continue;
        taken_for_[i] = draw;
        take(residents_[i], asker, out, rng);
        ++taken;
      }
    }
    // Beyond this there is nobody but ourselves.
    const auto deeper = std::lower_bound(keys_.begin(), keys_.end(), own & ~(bit - 1));
    const auto end = std::upper_bound(deeper, keys_.end(), own | (bit - 1));
    if (end - deeper <= 1) break;
  }
  return out;
}

void Population::take(const Resident& who, const Resident& asker, std::vector<dht::KnownContact>& out,
                      wire::Rng& rng) const {
  const double memory = wire::to_seconds(config_.memory);
  const double youngest = wire::to_seconds(who.left_ago);
  dht::KnownContact contact;
  contact.id = who.id;
  contact.endpoint = who.endpoint;
  contact.age = wire::from_seconds(youngest + (memory - youngest) * rng.unit());
  contact.rtt = 2 * LinkModel::one_way(asker.place, who.place);
  out.push_back(contact);
}

}  // namespace lodestone::tools::sim
