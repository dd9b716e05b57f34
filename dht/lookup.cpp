// SPDX-License-Identifier: Apache-2.0
#include "dht/lookup.hpp"

#include <algorithm>
#include <cassert>

#include "dht/lookup_cache.hpp"

namespace lodestone::dht {

Lookup::Lookup(const Params& params, const NodeId& own_id, const Guard& guard, std::unique_ptr<Gather> gather)
    : params_(params),
      own_id_(own_id),
      guard_(guard),
      gather_(std::move(gather)),
      trace_(params.traced ? std::make_unique<LookupTrace>(params.id) : nullptr),
      candidates_(params.target, params.diverse) {
  assert(params.method == krpc::Method::get_peers || !params.announce);
}

void Lookup::add_local_peers(const krpc::CompactPeers& peers, const OwnAddress& own_address, Output& out) {
  event::PeersFound found{params_.id, wire::InfoHash{params_.target.bytes()}, {}, {}};
  for (std::size_t i = 0; i < peers.count; ++i) {
    const auto peer = Endpoint::from_compact({peers.data + i * peers.stride, peers.size});
    if (peer && no_peer(*peer, own_address) == nullptr && remember(*peer)) found.peers.push_back(*peer);
  }
  if (!found.peers.empty()) out.events.emplace_back(std::move(found));
}

void Lookup::add_contact(const Contact& contact) {
  if (contact.id == own_id_ || !guard_.allows(contact.endpoint)) return;
  if (candidates_.add(contact) && trace_) trace_->known(contact.endpoint, event::Hop::Source::store);
}

void Lookup::add_hearsay(const Contact& contact) {
  if (contact.id == own_id_ || !guard_.allows(contact.endpoint)) return;
  if (candidates_.add_hearsay(contact) && trace_) trace_->known(contact.endpoint, event::Hop::Source::store);
}

void Lookup::add_introducer(const Endpoint& endpoint) {
  if (candidates_.add_introducer(endpoint) && trace_) trace_->known(endpoint, event::Hop::Source::introducer);
}

void Lookup::begin(Instant, std::span<const Contact> closest, std::span<const Endpoint> introducers) {
  for (const Contact& c : closest)
    if (candidates_.add(c) && trace_) trace_->known(c.endpoint, event::Hop::Source::table);
  for (const Endpoint& e : introducers) add_introducer(e);
}

std::optional<Ask> Lookup::next(Instant now) {
  if (announce_)
    if (auto ask = announce_->next(kAnnounceTags)) return ask;
  const int most = most_in_flight();
  // Until the first value the beta extra ones may go beyond the k closest: of those that were only named many are gone.
  const int among = std::max(params_.k, most);
  if (telling_ || candidates_.in_flight(among) >= most || search_over()) return std::nullopt;
  const auto i = candidates_.take_next(among, counts());
  if (!i) return std::nullopt;
  if (!first_packet_) first_packet_ = now;
  ++asked_;
  const Candidates::Candidate& c = candidates_.at(*i);
  Ask ask;
  ask.to = c.contact.endpoint;
  if (c.id_known) ask.expected = c.contact.id;
  ask.method = params_.method;
  ask.target = params_.target;
  ask.tag = *i;
  // Who has all of it has no use for others who do (BEP 33).
  ask.peers.no_seed = params_.known_as && params_.known_as->seed;
  if (gather_) gather_->shape(ask);
  if (trace_) trace_->asked(now, ask);
  return ask;
}

void Lookup::on_reply(Instant now, std::uint32_t tag, const Answer& answer, Output& out) {
  if (tag >= kAnnounceTags) return announce_->on_reply(tag - kAnnounceTags);
  ++answered_;
  if (candidates_.at(tag).state == Candidates::State::overdue) --timeouts_;
  candidates_.answered(tag, answer.from.id, answer.rtt, answer.reply.token);
  take_nodes(now, tag, answer);
  if (answer.reply.values && params_.method == krpc::Method::get_peers) {
    take_values(now, answer, out);
  }
  if (gather_) gather_->on_reply(params_.id, answer, out);
  if (trace_) trace_->answered(tag, answer, guard_.family(), out);
  if (params_.announce) telling_ ? tell() : tell_early();
}

void Lookup::on_refused(Instant now, std::uint32_t tag, std::int64_t code, Output& out) {
  if (tag >= kAnnounceTags) return announce_->on_refused(tag - kAnnounceTags, code);
  if (candidates_.at(tag).state == Candidates::State::overdue) --timeouts_;
  candidates_.set_state(tag, Candidates::State::failed);
  if (trace_) trace_->refused(now, tag, out);
}

void Lookup::on_late(Instant, std::uint32_t tag, Lateness how, Output& out) {
  if (tag >= kAnnounceTags) {
    if (how == Lateness::overdue) announce_->on_overdue(tag - kAnnounceTags);
    return;
  }
  switch (how) {
    case Lateness::slow: return candidates_.set_state(tag, Candidates::State::slow);
    case Lateness::overdue: ++timeouts_; return candidates_.set_state(tag, Candidates::State::overdue);
    case Lateness::lost:
      if (trace_) trace_->lost(tag, out);
      return candidates_.set_state(tag, Candidates::State::failed);
  }
}

Traversal::Next Lookup::settle(Instant now, Output& out) {
  if (!telling_) {
    if (!search_over()) return Next::wait;
    measure_reach();
    if (!params_.silent) report(now, out);
    if (!tells()) return Next::over;
    telling_ = true;
    tell();
    if (!announce_->over()) return Next::ask;
  }
  if (!announce_->over()) return Next::wait;
  if (!params_.announce) {
    out.events.emplace_back(event::PutDone{params_.id, params_.target, announce_->stored(), announce_->refused_count(),
                                           announce_->conflicts()});
  } else if (!params_.silent) {
    out.events.emplace_back(event::AnnounceDone{params_.id, wire::InfoHash{params_.target.bytes()}, announce_->stored(),
                                                announce_->refused_count()});
  }
  return Next::over;
}

void Lookup::tell_early() {
  if (params_.near <= 0) return;
  if (!announce_) announce_.emplace(params_.k, params_.prefer_verified, params_.target, *params_.announce);
  announce_->pick_early(candidates_, params_.near);
}

void Lookup::tell() {
  if (!announce_) {
    if (params_.announce) {
      announce_.emplace(params_.k, params_.prefer_verified, params_.target, *params_.announce);
    } else {
      announce_.emplace(params_.k, params_.prefer_verified, *gather_);
    }
  }
  announce_->pick(candidates_);
}

int Lookup::most_in_flight() const {
  const bool hurries = params_.method == krpc::Method::get_peers && !first_value_;
  return params_.alpha + (hurries ? params_.beta : 0);
}

void Lookup::measure_reach() {
  if (!candidates_.search_over(params_.k, trusted(params_.k / 2))) return;
  candidates_.for_each_answered(
      [&, found = 0, counts = trusted(params_.k / 2)](const Candidates::Candidate& c) mutable {
        if (!counts(c) || ++found < params_.k) return true;
        reach_ = candidates_.reach(c);
        return false;
      });
}

Traversal::Outcome Lookup::outcome() const {
  Outcome out;
  out.answered = answered_;
  out.stored = announce_ ? announce_->stored_count() : 0;
  out.refused = announce_ ? announce_->refused_count() : 0;
  out.crowded = candidates_.crowded_out();
  out.liars = candidates_.named_by_liars();
  out.superseded = gather_ && gather_->superseded();
  out.reach = reach_;
  out.target = params_.target;
  if (params_.silent || params_.method != krpc::Method::get_peers) return out;
  out.remember = true;
  out.peers = named_;
  // Not only the closest of all: these may have chosen their ids for this hash (L8), and the next lookup shall not
  // start from them alone.
  candidates_.for_each_answered([&, counts = trusted(params_.k / 2)](const Candidates::Candidate& c) mutable {
    if (counts(c)) out.closest.push_back(c.contact);
    return out.closest.size() < LookupCache::kNodes;
  });
  return out;
}

bool Lookup::hopes() const {
  return params_.method == krpc::Method::get_peers && !params_.silent && candidates_.outstanding();
}

bool Lookup::search_over() const {
  if (candidates_.search_over(params_.k, counts(), params_.enough)) return true;
  // Nodes that withhold their token make a lookup that tells go outward, nodes that are not trusted any lookup; but not
  // without end.
  if (tells() && candidates_.search_over(2 * params_.k, trusted(params_.k))) return true;
  return params_.prefer_verified && candidates_.search_over(8 * params_.k, [](const auto&) { return true; });
}

void Lookup::take_nodes(Instant now, std::uint32_t from, const Answer& answer) {
  const krpc::Reply& reply = answer.reply;
  const Family family = guard_.family();
  for_each_contact(family == Family::v4 ? reply.nodes : reply.nodes6, family, kMaxNodesPerReply,
                   [&](const Contact& named) {
                     if (!guard_.allows(named.endpoint)) return answer.count(&Counters::named_refused);
                     const auto c = answer.endpoints != nullptr ? answer.endpoints->judge(now, named) : named;
                     if (!c || c->id == own_id_) return;
                     if (candidates_.add(*c, from) && trace_)
                       trace_->known(c->endpoint, event::Hop::Source::node, answer.from.endpoint);
                   });
}

void Lookup::take_values(Instant now, const Answer& answer, Output& out) {
  event::PeersFound found{params_.id, wire::InfoHash{params_.target.bytes()}, answer.from.endpoint, {}};
  const std::size_t size = Endpoint::compact_size(guard_.family());
  // A node stores an address once per hash (S2); a reply that has it on many ports wants us to knock at all of them.
  // Only within a reply: another node may know the right port where a liar named a wrong one.
  std::vector<wire::Address> addresses;
  for (const wire::bencode::View item : *answer.reply.values) {
    const Bytes raw = item.string().value_or(Bytes{});
    if (raw.size() != size) {
      answer.count(&Counters::peers_malformed);
      continue;
    }
    const Endpoint peer = *Endpoint::from_compact(raw);
    const auto why = no_peer(peer, answer.own_address);
    if (why == &Counters::peers_own) {
      answer.count(why);
      continue;
    }
    if (params_.diverse && std::find(addresses.begin(), addresses.end(), peer.address) != addresses.end()) {
      answer.count(&Counters::peers_duplicate);
      continue;
    }
    addresses.push_back(peer.address);
    if (why != nullptr) {
      answer.count(why);
      continue;
    }
    if (remember(peer)) found.peers.push_back(peer);
  }
  if (found.peers.empty()) return;
  const std::size_t more = std::min(found.peers.size(), LookupCache::kPeers - named_.size());
  named_.insert(named_.end(), found.peers.begin(), found.peers.begin() + static_cast<std::ptrdiff_t>(more));
  if (!first_value_) first_value_ = now;
  out.events.emplace_back(std::move(found));
}

std::uint64_t Counters::* Lookup::no_peer(const Endpoint& peer, const OwnAddress& own_address) const {
  if (is_ourselves(peer, own_address)) return &Counters::peers_own;
  if (!guard_.allows_peer(peer)) return peer.port <= 1 ? &Counters::peers_port : &Counters::peers_kind;
  return peers_.size() >= kMaxPeers ? &Counters::peers_surplus : nullptr;
}

bool Lookup::remember(const Endpoint& peer) {
  const auto at = std::lower_bound(peers_.begin(), peers_.end(), peer);
  if (at != peers_.end() && *at == peer) return false;
  peers_.insert(at, peer);
  return true;
}

bool Lookup::is_ourselves(const Endpoint& peer, const OwnAddress& own_address) const {
  // The address from outside with the announced port, or with the port of our UDP socket from outside.
  if (own_address.is_ours(peer)) return true;
  return params_.known_as && peer.port == params_.known_as->port && own_address.is_ours(peer.address);
}

void Lookup::report(Instant now, Output& out) {
  if (trace_) trace_->end(out);
  LookupStats stats;
  stats.target = params_.target;
  if (first_packet_) stats.duration = now - *first_packet_;
  if (first_value_ && first_packet_) stats.first_value = *first_value_ - *first_packet_;
  stats.asked = asked_;
  stats.answered = answered_;
  stats.timeouts = timeouts_;
  stats.peers = static_cast<std::uint32_t>(peers_.size());
  candidates_.for_each_answered([&](const Candidates::Candidate& c) {
    stats.closest.push_back({c.contact.id, c.contact.endpoint, c.rtt, c.token != 0});
    return stats.closest.size() < static_cast<std::size_t>(params_.k);
  });
  out.events.emplace_back(event::LookupDone{params_.id, std::move(stats)});
  if (gather_) gather_->report(params_.id, out);
}

}  // namespace lodestone::dht
