// SPDX-License-Identifier: Apache-2.0
#include "dht/address_votes.hpp"

#include <algorithm>
#include <array>

namespace lodestone::dht {
namespace {

constexpr std::uint8_t kNoClaim = 0xff;
constexpr auto kExpirySeconds =
    static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::seconds>(AddressVotes::kVoteExpiry).count());

std::uint32_t seconds(wire::Instant now) {
  return static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count());
}

}  // namespace

void AddressVotes::vote(wire::Instant now, const wire::Address& voter, const wire::Address& says_we_are) {
  if (says_we_are.kind() != wire::AddressKind::global || says_we_are.family() != voter.family()) return;
  put(now, wire::load_be32(voter.prefix(voter.is_v4() ? 16 : 32).bytes().data()), says_we_are);
  judge(now);
}

void AddressVotes::put(wire::Instant now, std::uint32_t prefix, const wire::Address& us) {
  auto place = std::find_if(votes_.begin(), votes_.end(), [&](const Vote& v) { return v.prefix == prefix; });
  if (place == votes_.end() && votes_.size() < kVoters) {
    if (votes_.size() == votes_.capacity()) votes_.reserve(votes_.size() + kVoters / 6);
    place = votes_.emplace(votes_.end());
  } else if (place == votes_.end()) {
    place = std::min_element(votes_.begin(), votes_.end(), [](const Vote& a, const Vote& b) { return a.at < b.at; });
  }
  *place = {prefix, seconds(now), 0};
  // Its former claim is free, if nobody else made it.
  place->claim = kNoClaim;
  place->claim = claim(us);
}

std::uint8_t AddressVotes::claim(const wire::Address& us) {
  const auto known = std::find(claims_.begin(), claims_.end(), us);
  if (known != claims_.end()) return static_cast<std::uint8_t>(known - claims_.begin());
  for (std::size_t i = 0; i < claims_.size(); ++i) {
    if (std::any_of(votes_.begin(), votes_.end(), [i](const Vote& v) { return v.claim == i; })) continue;
    claims_[i] = us;
    return static_cast<std::uint8_t>(i);
  }
  claims_.push_back(us);
  return static_cast<std::uint8_t>(claims_.size() - 1);
}

std::optional<AddressVotes::Leader> AddressVotes::leader(wire::Instant now) const {
  std::array<std::size_t, kVoters> votes{};  // by claim
  std::size_t all = 0;
  for (const Vote& v : votes_) {
    if (seconds(now) - v.at >= kExpirySeconds) continue;
    ++all;
    ++votes[v.claim];
  }
  for (std::size_t i = 0; i < claims_.size(); ++i)
    if (votes[i] * 2 > all) return Leader{claims_[i], votes[i], all};
  return std::nullopt;
}

void AddressVotes::judge(wire::Instant now) {
  const auto lead = leader(now);
  if (!agreed_) {
    if (lead && lead->votes >= kQuorum && lead->votes * 3 >= lead->all * 2) agreed_ = lead->address;
    return;
  }
  // Three quarters for another one, without a break.
  const bool challenged =
      lead && lead->address != *agreed_ && lead->votes >= kQuorumToChange && lead->votes * 4 >= lead->all * 3;
  if (!challenged) {
    challenger_.reset();
  } else if (challenger_ != lead->address) {
    challenger_ = lead->address;
    challenged_at_ = now;
  } else if (now - challenged_at_ >= kSettle) {
    agreed_ = challenger_;
    challenger_.reset();
  }
}

}  // namespace lodestone::dht
