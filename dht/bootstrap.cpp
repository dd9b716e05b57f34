// SPDX-License-Identifier: Apache-2.0
#include "dht/bootstrap.hpp"

#include <algorithm>

namespace lodestone::dht {
namespace {

constexpr wire::Duration kFirstPause = std::chrono::seconds(1);
constexpr wire::Duration kLongestPause = std::chrono::minutes(1);

}  // namespace

bool Bootstrap::add(wire::Instant now, const wire::Endpoint& introducer, std::size_t table) {
  if (std::find(introducers_.begin(), introducers_.end(), introducer) != introducers_.end()) return false;
  if (introducers_.size() < kMaxIntroducers) {
    introducers_.push_back(introducer);
  } else {
    introducers_[oldest_] = introducer;
    ++displaced_;
    if (++oldest_ == kMaxIntroducers) oldest_ = kKept;
  }
  if (table < enough_) first_contact(now);
  return true;
}

void Bootstrap::first_contact(wire::Instant now) {
  attempts_ = 0;
  again_ = running_;
  next_ = std::min(next_, now);
}

void Bootstrap::table_shrank(wire::Instant now, std::size_t table) {
  if (table >= enough_ || nobody_to_ask(table) || running_ || next_ != wire::kNever) return;
  attempts_ = 0;
  next_ = now + kFirstPause;
}

void Bootstrap::finished(wire::Instant now, std::size_t table, wire::Rng& rng) {
  running_ = false;
  if (table >= enough_ || nobody_to_ask(table)) {
    again_ = false;
    next_ = wire::kNever;
    return;
  }
  wire::Duration pause = kFirstPause;
  if (again_) {
    again_ = false;
  } else {
    for (unsigned i = 0; i < attempts_ && pause < kLongestPause; ++i) pause *= 2;
    ++attempts_;
  }
  pause = std::min(pause, kLongestPause);
  next_ = now + wire::from_seconds(wire::to_seconds(pause) * (0.75 + rng.unit() / 2));
}

std::vector<wire::Endpoint> Bootstrap::batch() {
  std::vector<wire::Endpoint> out;
  const std::size_t n = std::min(introducers_.size(), kBatch);
  out.reserve(n);
  for (std::size_t i = 0; i < n; ++i) out.push_back(introducers_[(turn_ + i) % introducers_.size()]);
  if (!introducers_.empty()) turn_ = (turn_ + n) % introducers_.size();
  return out;
}

}  // namespace lodestone::dht
