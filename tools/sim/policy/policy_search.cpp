// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/policy/policy_search.hpp"

#include <algorithm>

namespace lodestone::tools::sim {

bool PolicySearch::before(const Candidate& a, const Candidate& b) const {
  if (a.id_known != b.id_known) return !a.id_known;
  if (!a.id_known) return a.contact.endpoint < b.contact.endpoint;
  return wire::closer(target_, a.contact.id, b.contact.id);
}

void PolicySearch::add(const dht::Contact& contact) {
  if (contact.id == own_) return;
  insert({contact, true, State::fresh, {}, wire::kNever, {}});
}

void PolicySearch::add_introducer(const wire::Endpoint& endpoint) {
  insert({{wire::NodeId{}, endpoint}, false, State::fresh, {}, wire::kNever, {}});
}

void PolicySearch::insert(Candidate&& candidate) {
  const wire::Address& address = candidate.contact.endpoint.address;
  for (const Candidate& c : candidates_) {
    if (c.contact.endpoint == candidate.contact.endpoint) return;
    if (c.id_known && candidate.id_known && c.contact.id == candidate.contact.id) return;
    if (policy_.one_per_prefix && c.contact.endpoint.address.diversity_prefix() == address.diversity_prefix()) return;
  }
  const auto at = std::upper_bound(candidates_.begin(), candidates_.end(), candidate,
                                   [this](const Candidate& a, const Candidate& b) { return before(a, b); });
  candidates_.insert(at, std::move(candidate));
  // Of those that nobody has asked the farthest are forgotten.
  while (candidates_.size() > kMaxCandidates && candidates_.back().state == State::fresh) candidates_.pop_back();
}

std::optional<dht::Contact> PolicySearch::next(wire::Instant now, wire::Duration slow_after) {
  const auto count = [this](State state) {
    return static_cast<std::size_t>(std::count_if(candidates_.begin(), candidates_.end(),
                                                  [state](const Candidate& c) { return c.state == state; }));
  };
  // Where only the closest count, a slow one keeps its place among them, and another is allowed for it.
  const std::size_t places = policy_.in_flight + (policy_.counts_only_closest ? count(State::slow) : 0);
  std::size_t flying = policy_.counts_only_closest ? 0 : count(State::asked);
  std::size_t alive = 0;
  for (Candidate& c : candidates_) {
    if (flying >= places || alive >= policy_.k) return std::nullopt;
    switch (c.state) {
      case State::answered: ++alive; break;
      case State::asked:
      case State::slow: flying += policy_.counts_only_closest; break;
      case State::failed: break;
      case State::fresh: {
        c.state = State::asked;
        c.asked_at = now;
        const wire::Duration patience = policy_.slow_by_quantile ? slow_after : policy_.short_timeout;
        if (patience > wire::Duration::zero()) c.slow_at = now + patience;
        return c.contact;
      }
    }
  }
  return std::nullopt;
}

bool PolicySearch::answered(const wire::Endpoint& from, const wire::NodeId& id, wire::Bytes token,
                            std::span<const dht::Contact> named) {
  const auto at = std::find_if(candidates_.begin(), candidates_.end(),
                               [&](const Candidate& c) { return c.contact.endpoint == from; });
  if (at == candidates_.end() || (at->state != State::asked && at->state != State::slow)) return false;
  if (at->id_known && at->contact.id != id) {
    at->state = State::failed;
    return true;
  }
  at->state = State::answered;
  at->token.assign(token.begin(), token.end());
  if (!at->id_known) {
    Candidate known = std::move(*at);
    candidates_.erase(at);
    known.contact.id = id;
    known.id_known = true;
    insert(std::move(known));
  }
  for (const dht::Contact& c : named) add(c);
  return true;
}

void PolicySearch::advance(wire::Instant now) {
  for (Candidate& c : candidates_) {
    if (c.state == State::asked && c.slow_at <= now) c.state = State::slow;
    if ((c.state == State::asked || c.state == State::slow) && c.asked_at + policy_.timeout <= now)
      c.state = State::failed;
  }
}

wire::Instant PolicySearch::next_deadline() const {
  wire::Instant next = wire::kNever;
  for (const Candidate& c : candidates_) {
    if (c.state == State::asked) next = std::min({next, c.slow_at, c.asked_at + policy_.timeout});
    if (c.state == State::slow) next = std::min(next, c.asked_at + policy_.timeout);
  }
  return next;
}

bool PolicySearch::over() const {
  std::size_t alive = 0;
  for (const Candidate& c : candidates_) {
    if (c.state == State::asked || (c.state == State::slow && policy_.waits_for_slow)) return false;
    if (c.state == State::fresh) return false;
    if (c.state == State::answered && ++alive >= policy_.k) return true;
  }
  return true;
}

std::vector<const PolicySearch::Candidate*> PolicySearch::closest() const {
  std::vector<const Candidate*> out;
  for (const Candidate& c : candidates_) {
    if (out.size() == policy_.k) break;
    if (c.state == State::answered) out.push_back(&c);
  }
  return out;
}

}  // namespace lodestone::tools::sim
