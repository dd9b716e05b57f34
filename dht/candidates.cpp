// SPDX-License-Identifier: Apache-2.0
#include "dht/candidates.hpp"

#include <algorithm>
#include <iterator>

#include "dht/node_id_security.hpp"

namespace lodestone::dht {

bool Candidates::add(const Contact& contact, std::optional<Index> by) {
  return add_named(contact, by ? static_cast<std::uint16_t>(*by) : kOurselves);
}

bool Candidates::add_hearsay(const Contact& contact) { return add_named(contact, kHearsay); }

bool Candidates::add_named(const Contact& contact, std::uint16_t named_by) {
  if (const auto here = find(contact.endpoint)) return add_again(*here, contact, named_by);
  Candidate c{contact, true, id_matches(contact.id, contact.endpoint.address), State::fresh};
  c.named_by = named_by;
  return insert(std::move(c));
}

bool Candidates::add_introducer(const wire::Endpoint& endpoint) {
  if (find(endpoint)) return false;
  return insert({{wire::NodeId{}, endpoint}, false, false, State::fresh});
}

bool Candidates::add_again(Index i, const Contact& contact, std::uint16_t named_by) {
  Candidate& c = all_[i];
  if (c.state == State::dropped) {
    c.state = State::fresh;
    c.named_by = named_by;
    rename(i, contact.id);
    return true;
  }
  if (c.state != State::fresh || !c.id_known || c.named_by == kOurselves) return false;
  if (c.contact.id == contact.id) {
    if (c.named_by != named_by) c.named_by = kSeveral;
  } else if (named_by == kOurselves || wire::closer(target_, contact.id, c.contact.id)) {
    c.named_by = named_by;
    rename(i, contact.id);
  }
  return false;
}

bool Candidates::insert(Candidate&& c) {
  if (all_.size() < kMax) {
    if (all_.size() == all_.capacity()) all_.reserve(all_.size() + all_.size() / 4 + 16);
    all_.push_back(std::move(c));
    place(static_cast<Index>(all_.size() - 1));
    return true;
  }
  const auto farthest =
      std::find_if(order_.rbegin(), order_.rend(), [&](Index i) { return all_[i].state == State::fresh; });
  if (farthest == order_.rend() || !before(c, all_[*farthest])) return false;
  const Index i = *farthest;  // nobody has been told of this index yet: it was not asked
  order_.erase(std::next(farthest).base());
  all_[i] = std::move(c);
  place(i);
  return true;
}

void Candidates::place(Index i) {
  const auto at =
      std::upper_bound(order_.begin(), order_.end(), i, [&](Index a, Index b) { return before(all_[a], all_[b]); });
  order_.insert(at, i);
}

void Candidates::rename(Index i, const wire::NodeId& id) {
  Candidate& c = all_[i];
  order_.erase(std::find(order_.begin(), order_.end(), i));
  c.contact.id = id;
  c.id_known = true;
  c.verified = id_matches(id, c.contact.endpoint.address);
  place(i);
}

void Candidates::blame_namer(Index i) {
  const std::uint16_t namer = all_[i].named_by;
  if (namer >= all_.size() || ++all_[namer].misnamed < kMaxMisnamed) return;
  for (Candidate& c : all_)
    if (c.state == State::fresh && c.named_by == namer) c.state = State::dropped;
}

void Candidates::answered(Index i, const wire::NodeId& id, wire::Duration rtt, wire::Bytes token) {
  Candidate& c = all_[i];
  if (!c.id_known || c.contact.id != id) {
    if (c.id_known) blame_namer(i);
    rename(i, id);
  }
  // One id at two addresses is one node, or a liar: the first to answer counts, if not only the second may have it.
  const auto twin = std::find_if(all_.begin(), all_.end(), [&](const Candidate& other) {
    return other.state == State::answered && other.contact.id == id;
  });
  const bool second = twin != all_.end() && (twin->verified || !c.verified);
  if (twin != all_.end() && !second) twin->state = State::failed;
  c.state = second ? State::failed : State::answered;
  c.rtt = rtt;
  if (!token.empty() && token.size() <= kMaxTokenSize) {
    tokens_.emplace_back(token.begin(), token.end());
    c.token = static_cast<std::uint16_t>(tokens_.size());
  }
}

int Candidates::in_flight(int among) const {
  int asked = 0, hopeful = 0;
  for_each_hopeful([&](const Candidate& c) {
    asked += c.state == State::asked;
    return ++hopeful < among;
  });
  return asked;
}

bool Candidates::outstanding() const {
  return std::any_of(all_.begin(), all_.end(), [](const Candidate& c) {
    return c.state == State::asked || c.state == State::slow || c.state == State::overdue;
  });
}

std::uint32_t Candidates::named_by_liars() const {
  return static_cast<std::uint32_t>(
      std::count_if(all_.begin(), all_.end(), [](const Candidate& c) { return c.state == State::dropped; }));
}

std::optional<Candidates::Index> Candidates::find(const wire::Endpoint& endpoint) const {
  const auto at =
      std::find_if(all_.begin(), all_.end(), [&](const Candidate& c) { return c.contact.endpoint == endpoint; });
  if (at == all_.end()) return std::nullopt;
  return static_cast<Index>(at - all_.begin());
}

bool Candidates::crowded(const Candidate& c) const {
  if (!diverse_) return false;
  const wire::Address prefix = c.contact.endpoint.address.diversity_prefix();
  // One that failed holds its prefix, too: that it was left out or did not answer says nothing good about its
  // neighbours.
  return std::any_of(all_.begin(), all_.end(), [&](const Candidate& other) {
    return other.state != State::fresh && other.state != State::dropped && &other != &c &&
           other.contact.endpoint.address.diversity_prefix() == prefix;
  });
}

bool Candidates::before(const Candidate& a, const Candidate& b) const {
  if (a.id_known != b.id_known) return a.id_known;
  return a.id_known && wire::closer(target_, a.contact.id, b.contact.id);
}

}  // namespace lodestone::dht
