// SPDX-License-Identifier: Apache-2.0
#include "dht/announce.hpp"

#include <algorithm>

#include "dht/items.hpp"

namespace lodestone::dht {

Announce::Announce(const Candidates& candidates, int k, bool prefer_verified, const Key& info_hash,
                   const AnnounceSpec& spec)
    : info_hash_(info_hash), spec_(spec) {
  const auto wanted = static_cast<std::size_t>(k);
  std::vector<Target> left_out;
  std::size_t chosen = 0;
  candidates.for_each_answered([&](const Candidates::Candidate& c) {
    const wire::Bytes token = candidates.token_of(c);
    if (token.empty()) return true;
    const bool suspicious = prefer_verified && !c.verified && ++chosen > wanted / 2;
    (suspicious ? left_out : targets_)
        .push_back({c.contact, c.rtt, {token.begin(), token.end()}, std::nullopt, State::untold});
    return targets_.size() < wanted;
  });
  for (std::size_t i = 0; i < left_out.size() && targets_.size() < wanted; ++i) {
    targets_.push_back(std::move(left_out[i]));
  }
}

Announce::Announce(const Candidates& candidates, int k, bool prefer_verified, const Gather& gather)
    : Announce(candidates, k, prefer_verified, gather.to_put()->target(), AnnounceSpec{}) {
  item_ = gather.to_put();
  for (Target& t : targets_) t.cas = gather.cas_for(t.contact.endpoint);
}

std::optional<Ask> Announce::next(std::uint32_t tag_base) {
  for (std::size_t i = 0; i < targets_.size(); ++i) {
    Target& t = targets_[i];
    if (t.state != State::untold) continue;
    t.state = State::told;
    return Ask{.to = t.contact.endpoint,
               .expected = t.contact.id,
               .method = item_ != nullptr ? krpc::Method::put : krpc::Method::announce_peer,
               .target = info_hash_,
               .tag = tag_base + static_cast<std::uint32_t>(i),
               .token = t.token,
               .port = spec_.port,
               .implied_port = spec_.implied_port,
               .seed = spec_.seed,
               .item = item_,
               .cas = t.cas};
  }
  return std::nullopt;
}

void Announce::on_reply(std::uint32_t i) { targets_[i].state = State::stored; }

void Announce::on_refused(std::uint32_t i, std::int64_t code) {
  targets_[i].state = State::refused;
  conflicts_ += code == static_cast<std::int64_t>(Items::Verdict::cas_mismatch) ||
                code == static_cast<std::int64_t>(Items::Verdict::seq_too_low);
}

// Still counted as stored if its reply comes while others are waited for.
void Announce::on_overdue(std::uint32_t i) { targets_[i].state = State::refused; }

bool Announce::over() const { return count(State::untold) == 0 && count(State::told) == 0; }

std::vector<NodeView> Announce::stored() const {
  std::vector<NodeView> out;
  for (const Target& t : targets_)
    if (t.state == State::stored) out.push_back({t.contact.id, t.contact.endpoint, t.rtt, true});
  return out;
}

std::uint32_t Announce::stored_count() const { return count(State::stored); }
std::uint32_t Announce::refused_count() const { return count(State::refused); }

std::uint32_t Announce::count(State s) const {
  return static_cast<std::uint32_t>(
      std::count_if(targets_.begin(), targets_.end(), [s](const Target& t) { return t.state == s; }));
}

}  // namespace lodestone::dht
