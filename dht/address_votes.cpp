// SPDX-License-Identifier: Apache-2.0
#include "dht/address_votes.hpp"

#include <algorithm>

namespace lodestone::dht {

void AddressVotes::vote(wire::Instant now, const wire::Address& voter, const wire::Address& says_we_are) {
  if (says_we_are.kind() != wire::AddressKind::global || says_we_are.family() != voter.family()) return;
  put(now, voter.prefix(voter.is_v4() ? 16 : 32), says_we_are);
  judge(now);
}

void AddressVotes::put(wire::Instant now, const wire::Address& prefix, const wire::Address& us) {
  auto place = std::find_if(votes_.begin(), votes_.end(), [&](const Vote& v) { return v.prefix == prefix; });
  if (place == votes_.end() && votes_.size() < kVoters) {
    place = votes_.emplace(votes_.end());
  } else if (place == votes_.end()) {
    place = std::min_element(votes_.begin(), votes_.end(), [](const Vote& a, const Vote& b) { return a.at < b.at; });
  }
  *place = {prefix, us, now};
}

std::optional<AddressVotes::Leader> AddressVotes::leader(wire::Instant now) const {
  const auto counts = [&](const Vote& v) { return now - v.at < kVoteExpiry; };
  const auto all = static_cast<std::size_t>(std::count_if(votes_.begin(), votes_.end(), counts));
  for (const Vote& one : votes_) {
    const auto votes = static_cast<std::size_t>(
        std::count_if(votes_.begin(), votes_.end(), [&](const Vote& v) { return counts(v) && v.us == one.us; }));
    if (votes * 2 > all) return Leader{one.us, votes, all};
  }
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
