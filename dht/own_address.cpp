// SPDX-License-Identifier: Apache-2.0
#include "dht/own_address.hpp"

#include <algorithm>

namespace lodestone::dht {

void OwnAddress::vote(const wire::Endpoint& voter, const wire::Endpoint& says_we_are) {
  const auto end = votes_.begin() + static_cast<std::ptrdiff_t>(count_);
  const auto old = std::find_if(votes_.begin(), end, [&](const Vote& v) { return v.voter.address == voter.address; });
  if (old != end) {
    old->us = says_we_are;
    return;
  }
  votes_[next_] = {voter, says_we_are};
  next_ = (next_ + 1) % kVoters;
  count_ = std::min(count_ + 1, kVoters);
}

template <class Same>
bool OwnAddress::majority(Same&& same) const {
  const auto end = votes_.begin() + static_cast<std::ptrdiff_t>(count_);
  const auto votes = std::count_if(votes_.begin(), end, [&](const Vote& v) { return same(v.us); });
  return static_cast<std::size_t>(votes) * 2 > count_;
}

bool OwnAddress::is_ours(const wire::Address& address) const {
  return majority([&](const wire::Endpoint& us) { return us.address == address; });
}

bool OwnAddress::is_ours(const wire::Endpoint& endpoint) const {
  return majority([&](const wire::Endpoint& us) { return us == endpoint; });
}

std::optional<wire::Endpoint> OwnAddress::endpoint() const {
  for (std::size_t i = 0; i < count_; ++i)
    if (is_ours(votes_[i].us)) return votes_[i].us;
  return std::nullopt;
}

}  // namespace lodestone::dht
