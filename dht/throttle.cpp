// SPDX-License-Identifier: Apache-2.0
#include "dht/throttle.hpp"

#include <algorithm>

#include "dht/secret.hpp"

namespace lodestone::dht {
namespace {

/// An address that one host can have many of is one source: a v6 /64.
std::uint64_t address_key(const wire::Address& a) {
  return a.is_v4() ? wire::load_be32(a.bytes().data()) : wire::load_be64(a.bytes().data());
}

std::uint64_t prefix_key(const wire::Address& a) { return a.is_v4() ? address_key(a) >> 8 : address_key(a) >> 16; }

}  // namespace

Throttle::Throttle(wire::Instant start, const Rates& rates, wire::Rng& rng)
    : start_(start),
      rates_(rates),
      address_rate_(make_rate(rates.per_address, rates.address_burst)),
      prefix_rate_(make_rate(rates.per_prefix, rates.prefix_burst)),
      addresses_(rates.sources, random_secret(rng)),
      prefixes_(rates.sources, random_secret(rng)),
      standings_(std::max<std::size_t>(8, rates.sources)) {}

Throttle::Rate Throttle::make_rate(double per_second, double burst) {
  return {wire::from_seconds(1 / per_second), wire::from_seconds(std::max(0.0, burst - 1) / per_second)};
}

std::uint32_t Throttle::seconds(wire::Instant now) const {
  const auto s = std::chrono::duration_cast<std::chrono::seconds>(now - start_).count();
  return static_cast<std::uint32_t>(std::max<std::int64_t>(s, 0));
}

Throttle::Visit Throttle::visit(wire::Instant now, const wire::Address& source) {
  earned_ = 0;
  // Most of those who were here have had their whole burst back for long.
  const auto idle = [now](const auto& state) { return state.bucket.full_at() <= now; };
  const std::uint32_t address = addresses_.touch(address_key(source), idle);
  std::uint32_t& prefix = addresses_[address].prefix;
  prefix = prefixes_.touch(prefix_key(source), prefix, idle);
  standings_.prefetch(prefixes_.name(prefix));  // it is there when the datagram has been read
  return {address, prefix};
}

Throttle::Verdict Throttle::judge(wire::Instant now, const Visit& visit) const {
  if (!rates_.enforced) return Verdict::admitted;
  if (address_rate_.spent(now, addresses_[visit.address].bucket)) return Verdict::address_spent;
  if (prefix_rate_.spent(now, prefixes_[visit.prefix].bucket)) return Verdict::prefix_spent;
  return Verdict::admitted;
}

Throttle::Verdict Throttle::charge(wire::Instant now, const Visit& visit) {
  const Verdict verdict = judge(now, visit);
  // What is refused costs nothing: it would keep a source that goes on trying locked out for ever, and a prefix must
  // not pay for what one of its addresses was refused.
  if (!rates_.enforced || verdict != Verdict::admitted) return verdict;
  address_rate_.take(now, addresses_[visit.address].bucket);
  prefix_rate_.take(now, prefixes_[visit.prefix].bucket);
  return verdict;
}

void Throttle::verify(wire::Instant now, const Visit& visit) {
  const auto lasts = std::chrono::duration_cast<std::chrono::seconds>(rates_.verified_for).count();
  const std::uint32_t at = seconds(now);
  standings_.make(prefixes_.name(visit.prefix), at).verified_until = at + static_cast<std::uint32_t>(lasts);
}

bool Throttle::verified(wire::Instant now, const Visit& visit) const {
  const Standing* standing = standings_.find(prefixes_.name(visit.prefix));
  return standing != nullptr && seconds(now) < standing->verified_until;
}

std::size_t Throttle::allowance(wire::Instant now, const Visit& visit, std::size_t received, std::size_t full) {
  Standing* standing = standings_.find(prefixes_.name(visit.prefix));
  if (standing != nullptr && seconds(now) < standing->verified_until) return full;
  earned_ = std::size_t{rates_.unverified_factor} * received;
  std::size_t left = rates_.unverified_burst;
  if (standing != nullptr) {
    // It pays back first; what is over counts for the reply to this query, and is not saved.
    const auto back = std::min<std::size_t>(earned_, standing->spent);
    standing->spent -= static_cast<std::uint32_t>(back);
    earned_ -= back;
    left -= standing->spent;
  }
  return std::min(full, left + earned_);
}

void Throttle::replied(wire::Instant now, const Visit& visit, std::size_t bytes) {
  const auto paid = std::min(earned_, bytes);
  earned_ -= paid;
  if (bytes == paid || verified(now, visit)) return;
  Standing& standing = standings_.make(prefixes_.name(visit.prefix), seconds(now));
  standing.spent =
      static_cast<std::uint32_t>(std::min<std::size_t>(rates_.unverified_burst, standing.spent + (bytes - paid)));
}

void Throttle::check_invariants() const {
  addresses_.check_invariants();
  prefixes_.check_invariants();
  standings_.check_invariants();
}

}  // namespace lodestone::dht
