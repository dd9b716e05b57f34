// SPDX-License-Identifier: Apache-2.0
#include "dht/announce.hpp"

#include <algorithm>

#include "dht/items.hpp"

namespace lodestone::dht {

Announce::Announce(int k, bool prefer_verified, const Key& info_hash, const AnnounceSpec& spec)
    : wanted_(static_cast<std::size_t>(k)), prefer_verified_(prefer_verified), info_hash_(info_hash), spec_(spec) {}

Announce::Announce(int k, bool prefer_verified, const Gather& gather)
    : Announce(k, prefer_verified, gather.to_put()->target(), AnnounceSpec{}) {
  gather_ = &gather;
}

void Announce::pick_early(const Candidates& candidates, double near) {
  std::size_t seen = 0;
  candidates.for_each_hopeful([&](const Candidates::Candidate& c) {
    if (++seen > wanted_ || targets_.size() >= wanted_ || candidates.reach(c) > near) return false;
    if (c.state != Candidates::State::answered || candidates.token_of(c).empty()) return true;
    if (!picked(c.contact.endpoint) && (!suspicious(c) || suspicious_ < wanted_ / 2)) add(candidates, c);
    return true;
  });
}

void Announce::pick(const Candidates& candidates) {
  std::vector<const Candidates::Candidate*> chosen, left_out;
  // Those that were told early have their part in the half that the suspicious may have.
  std::size_t of_choice = suspicious_;
  candidates.for_each_answered([&](const Candidates::Candidate& c) {
    if (candidates.token_of(c).empty()) return true;
    const bool counts = suspicious(c) && !picked(c.contact.endpoint);
    const bool leave_out = counts && of_choice >= wanted_ / 2;
    of_choice += counts && !leave_out;
    (leave_out ? left_out : chosen).push_back(&c);
    return chosen.size() < wanted_;
  });
  for (std::size_t i = 0; i < left_out.size() && chosen.size() < wanted_; ++i) chosen.push_back(left_out[i]);
  const std::size_t most = gather_ != nullptr ? wanted_ : wanted_ + kMore;
  for (const Candidates::Candidate* c : chosen)
    if (targets_.size() < most && !picked(c->contact.endpoint)) add(candidates, *c);
}

bool Announce::picked(const Endpoint& endpoint) const {
  return std::any_of(targets_.begin(), targets_.end(), [&](const Target& t) { return t.contact.endpoint == endpoint; });
}

bool Announce::suspicious(const Candidates::Candidate& c) const { return prefer_verified_ && !c.verified; }

void Announce::add(const Candidates& candidates, const Candidates::Candidate& c) {
  suspicious_ += suspicious(c);
  const wire::Bytes token = candidates.token_of(c);
  const auto cas = gather_ != nullptr ? gather_->cas_for(c.contact.endpoint) : std::nullopt;
  targets_.push_back({c.contact, c.rtt, {token.begin(), token.end()}, cas, State::untold});
}

std::optional<Ask> Announce::next(std::uint32_t tag_base) {
  const Item* const item = gather_ != nullptr ? gather_->to_put() : nullptr;
  for (std::size_t i = 0; i < targets_.size(); ++i) {
    Target& t = targets_[i];
    if (t.state != State::untold) continue;
    t.state = State::told;
    return Ask{.to = t.contact.endpoint,
               .expected = t.contact.id,
               .method = item != nullptr ? krpc::Method::put : krpc::Method::announce_peer,
               .target = info_hash_,
               .tag = tag_base + static_cast<std::uint32_t>(i),
               .token = t.token,
               .port = spec_.port,
               .implied_port = spec_.implied_port,
               .seed = spec_.seed,
               .item = item,
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
