// SPDX-License-Identifier: Apache-2.0
// The half of the router that takes datagrams and time in.
#include "dht/node.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "dht/node_id_security.hpp"
#include "dht/node_state.hpp"
#include "dht/reception.hpp"
#include "dht/secret.hpp"

namespace lodestone::dht {
namespace {

constexpr std::size_t kMaxVersion = 32;
// A new table asks whom it is told of: for that long, that often, planning that far ahead; and not before the lookup
// that was told, too, has had its chance to ask.
constexpr Duration kFillTime = std::chrono::minutes(2);
constexpr Duration kFillSpacing = std::chrono::milliseconds(50);
constexpr Duration kFillAhead = std::chrono::seconds(2);
constexpr Duration kFillDelay = std::chrono::milliseconds(300);

/// T1: the id that a node was started with stays, if its address allows it.
NodeConfig with_fitting_id(NodeConfig config, wire::Rng& rng) {
  if (config.external && !id_matches(config.id, config.external->address))
    config.id = derive_id(config.external->address, rng);
  return config;
}

}  // namespace

Node::State::State(Instant start, NodeConfig settings, wire::Rng generator)
    : config(with_fitting_id(std::move(settings), generator)),
      rng(generator),
      guard(config.family, config.policy, config.ours),
      throttle(start, rates_of(config), rng),
      queries(config),
      table(start, config.family, config.id, config.limits.k, !config.private_net),
      beyond(start, config, rng),
      endpoints(config.limits.remembered_endpoints, random_secret(rng)),
      density(config.limits.k),
      responder(start, config, rng),
      ring_memory(config.introducer_memory.empty() ? introducer_bytes(config.family, config.limits) : 0),
      verifier(config.limits.early_rate),
      // Who only asks (T7) needs no more than what a lookup starts from.
      referrals(static_cast<std::size_t>(config.read_only ? config.limits.k : config.limits.early_contacts)),
      bootstrap(static_cast<std::size_t>(config.limits.k)),
      maintenance(config.limits.bucket_refresh),
      announcer(config.limits),
      started(start),
      latest(start) {
  if (config.limits.ring_size == 0) return;
  introducer =
      std::make_unique<Introducer>(start, config, ring_memory.empty() ? config.introducer_memory : ring_memory, rng);
}

// --- what comes in ---

// S4: classify; replies go to the rpc table, queries to the throttle and then to the responder.
void Node::State::receive(Instant now, const Endpoint& from, Bytes datagram, const Node* sister, Output& out) {
  ++counters.datagrams_in;
  if (!guard.allows(from)) {
    ++counters.refused_source;
    return;
  }
  const Throttle::Visit visit = throttle.visit(now, from.address);
  // Whoever has spent his share is not even read, unless it may be a reply that somebody here waits for.
  if (!krpc::looks_like_reply(datagram) && !admitted(throttle.judge(now, visit), counters)) return;
  const auto message = out.decoder.decode(datagram);
  if (!message) {
    ++counters.malformed_in;
    counters.malformed_queries += message.error().code != 0;
    if (!admitted(throttle.charge(now, visit), counters) || message.error().code == 0 || config.read_only) return;
    return answer_within(now, throttle, visit, datagram.size(), out.datagrams, counters, [&](std::size_t room) {
      responder.refuse(from, message.error(), room, out.datagrams, counters);
      return false;
    });
  }
  if (const auto* query = std::get_if<krpc::Query>(&message->body)) {
    if (admitted(throttle.charge(now, visit), counters))
      on_query(now, from, message->transaction, *query, visit, datagram.size(), sister, out);
    return;
  }
  const auto* reply = std::get_if<krpc::Reply>(&message->body);
  const bool matched =
      on_pong(now, from, *message, out) ||
      (reply != nullptr ? on_reply(now, from, *message, *reply, out) : on_error(now, from, *message, out));
  if (matched) {
    throttle.verify(now, visit);
  } else {
    ++counters.stray_replies;
    throttle.charge(now, visit);
  }
}

void Node::State::on_query(Instant now, const Endpoint& from, Bytes transaction, const krpc::Query& query,
                           const Throttle::Visit& visit, std::size_t received, const Node* sister, Output& out) {
  ++counters.queries_in;
  if (config.read_only) {
    ++counters.unanswered_read_only;
    return;
  }
  const Shown shown = introduce(now, from, query, sister, out);
  const Responder::Tables tables{table, sister != nullptr ? &sister->state_->table : nullptr, shown.own.contacts(),
                                 shown.other.contacts(), shown.wanted};
  answer_within(now, throttle, visit, received, out.datagrams, counters, [&](std::size_t room) {
    return responder.answer(now, from, transaction, query, room, tables, rng, out.datagrams, counters);
  });
  greet(now, {query.id, from}, query.read_only);
}

void Node::State::greet(Instant now, const Contact& stranger, bool read_only) {
  if (read_only) {
    ++counters.strangers_read_only;
    return;
  }
  meet(now, stranger);
}

Node::State::Shown Node::State::introduce(Instant now, const Endpoint& from, const krpc::Query& query,
                                          const Node* sister, Output& out) {
  Shown shown;
  if (!introducer) return shown;
  using krpc::Method;
  const bool nodes =
      query.method != Method::ping && query.method != Method::announce_peer && query.method != Method::put;
  shown.wanted = introducer->asked_by(now, {query.id, from}, query.read_only, nodes, rng, out.datagrams);
  if (shown.wanted == 0) return shown;
  const bool asked = query.want_v4 || query.want_v6;
  const auto wants = [&](Family family) { return family == Family::v4 ? query.want_v4 : query.want_v6; };
  if (!asked || wants(config.family)) shown.own = introducer->hand_out(shown.wanted, from);
  if (sister == nullptr || !wants(sister->family()) || !sister->state_->introducer) return shown;
  shown.other = sister->state_->introducer->hand_out(shown.wanted, from);
  return shown;
}

bool Node::State::on_pong(Instant now, const Endpoint& from, const krpc::Message& message, Output& out) {
  if (!introducer || !introducer->is_ours(now, from, message.transaction, rng)) return false;
  connected(now);
  const auto* reply = std::get_if<krpc::Reply>(&message.body);
  ++(reply != nullptr ? counters.replies_in : counters.errors_in);
  if (reply != nullptr) {
    introducer->answered(now, {reply->id, from}, rng);
    if (reply->external && reply->external->family() == config.family) own_address.vote(from, *reply->external);
    if (reply->external) heed_vote(now, from.address, reply->external->address);
  }
  work(now, out);
  return true;
}

bool Node::State::on_reply(Instant now, const Endpoint& from, const krpc::Message& message, const krpc::Reply& reply,
                           Output& out) {
  const auto query = queries.match(now, message.transaction, from);
  if (!query) return false;
  ++counters.replies_in;
  connected(now);
  if (reply.external && reply.external->family() == config.family) own_address.vote(from, *reply.external);
  if (reply.external) heed_vote(now, from.address, reply.external->address);
  const Duration rtt = now - query->sent;
  const Contact contact{reply.id, from};
  const bool expected = !query->expected || *query->expected == reply.id;
  bool usable = reply.id != config.id;
  counters.replies_own_id += !usable;
  if (!expected) {
    if (usable) endpoints.misnamed(now, from, reply.id);
    usable = !impostor(now, {*query->expected, from}, reply.id, query->purpose) && usable && query->asks_nodes;
  } else if (usable) {
    heard(now, contact, rtt, client_version(message.version), out);
  }

  if (expected && query->asks_nodes && query->purpose != Purpose::caller) {
    told_of(now, query->purpose, reply);
    learn(now, reply);
  }
  if (expected && query->asks_nodes && queries.wants_both()) pass_on(reply, out);
  if (expected && query->asks_samples && reply.samples) take_samples(now, *query, contact, reply, out);

  switch (query->purpose) {
    case Purpose::traversal:
      if (Traversal* traversal = find_asking(query->owner)) {
        if (usable) {
          // Who named it under another id was wrong, or lied; what it says under its own is as good as ever (L6).
          counters.misnamed_replies += !expected;
          // In a tiny network everybody is asked, whatever is known of him.
          const bool young = table.size() < static_cast<std::size_t>(config.limits.early_contacts);
          traversal->on_reply(now, query->tag,
                              {contact, rtt, reply, own_address, young ? nullptr : &endpoints, &counters}, out);
        } else {
          traversal->on_refused(now, query->tag, 0, out);
        }
        pump(now, query->owner, out);
      }
      break;
    case Purpose::probe: break;
    case Purpose::caller: {
      event::QueryDone done{query->owner, from, true, false, reply.id, rtt, {}, reply.external, {}};
      done.version = wire::as_text(message.version.first(std::min(message.version.size(), kMaxVersion)));
      if (query->asks_nodes) {
        for_each_contact(config.family == Family::v4 ? reply.nodes : reply.nodes6, config.family, kMaxNamed,
                         [&](const Contact& named) { done.nodes.push_back({named.id, named.endpoint}); });
      }
      out.events.emplace_back(std::move(done));
      break;
    }
  }
  work(now, out);
  return true;
}

bool Node::State::on_error(Instant now, const Endpoint& from, const krpc::Message& message, Output& out) {
  const auto query = queries.match(now, message.transaction, from);
  if (!query) return false;
  ++counters.errors_in;
  connected(now);
  // It is alive (L6); who it is, an error does not say, so the table learns nothing new from it.
  if (const auto* known = query->expected ? table.find(*query->expected) : nullptr;
      known != nullptr && known->endpoint() == from) {
    heard(now, {*query->expected, from}, now - query->sent, client_version(message.version), out);
  } else if (query->expected && query->purpose == Purpose::probe) {
    beyond.failed({*query->expected, from});  // nobody to start a lookup from
  }
  if (query->purpose == Purpose::traversal) {
    counters.introducers_refused += !query->expected;
    if (Traversal* traversal = find_asking(query->owner)) {
      traversal->on_refused(now, query->tag, std::get<krpc::ErrorReply>(message.body).code, out);
      pump(now, query->owner, out);
    }
  } else if (query->purpose == Purpose::caller) {
    event::QueryDone done;
    done.query = query->owner;
    done.to = from;
    done.answered = true;
    done.error_reply = true;
    done.rtt = now - query->sent;
    out.events.emplace_back(std::move(done));
  }
  work(now, out);
  return true;
}

void Node::State::on_late(Instant now, const RpcTable::Late& late, Output& out) {
  const Pending& query = late.query;
  counters.queries_slow += late.how == Lateness::slow;
  counters.queries_overdue += late.how == Lateness::overdue;
  if (late.how == Lateness::lost) {
    ++counters.timeouts;
    counters.introducers_silent += query.purpose == Purpose::traversal && !query.expected;
    if (query.expected) unanswered(now, {*query.expected, query.to}, query.sent);
    if (query.purpose == Purpose::probe) verifier.failed(now, query.to);
    if (query.purpose == Purpose::caller) {
      event::QueryDone done;
      done.query = query.owner;
      done.to = query.to;
      out.events.emplace_back(std::move(done));
    }
  }
  if (query.purpose != Purpose::traversal) return;
  if (Traversal* traversal = find_asking(query.owner)) {
    traversal->on_late(now, query.tag, late.how, out);
    pump(now, query.owner, out);
  }
}

void Node::State::advance(Instant now, Output& out) {
  while (const auto late = queries.next_late(now)) on_late(now, *late, out);
  count_failures(now);
  if (responder.next_sweep() <= now) responder.sweep(now);
  if (introducer) {
    const std::uint64_t before = introducer->counters().pings;
    introducer->advance(now, rng, out.datagrams);
    counters.queries_out += introducer->counters().pings - before;
  }
  work(now, out);
}

Instant Node::State::next_deadline() const {
  if (can_start()) return latest;
  Instant next = std::min({queries.next_deadline(), outage.next_deadline(), responder.next_sweep(),
                           bootstrap.next_deadline(), maintenance.next_deadline(),
                           announcer.next_deadline(table.size()), republisher.next_deadline(table.size())});
  if (introducer) next = std::min(next, introducer->next_deadline());
  // While the rpc table is full, its own deadlines are what verification waits for.
  if (!queries.full()) next = std::min({next, verifier.next_deadline(), beyond.next_deadline()});
  return next;
}

// --- who is out there ---

void Node::State::heard(Instant now, const Contact& contact, Duration rtt, const ClientVersion& version, Output& out) {
  endpoints.answered(contact.endpoint);
  beyond.answered(now, contact, rtt);
  const bool was_empty = table.empty();
  const auto outcome = table.answered(now, contact, rtt, version);
  if (!ever_answered) {
    ever_answered = true;
    out.events.emplace_back(event::FirstContact{contact.endpoint});
  }
  if (outcome != RoutingTable::Outcome::added) return;
  if (was_empty) {
    if (!config.read_only) fill_until = now + kFillTime;  // who only asks (T7) needs no more than its lookups do
    if (joining == 0) bootstrap.first_contact(now);
    maintenance.wake(now);
  }
  announcer.table_grew(now, table.size());
  referrals.table_grew(now);
}

void Node::State::meet(Instant now, const Contact& contact) {
  if (contact.id == config.id) return;
  const bool early = table.size() < static_cast<std::size_t>(config.limits.early_contacts);
  Instant due = now;
  if (!early) {
    // One of our neighbours is missed by every lookup that comes this way, so it has not to wait long.
    const Duration longest = table.is_neighbour(contact.id) ? 2 * config.limits.verify_min : config.limits.verify_max;
    due += uniform(config.limits.verify_min, longest, rng);
  }
  if (!verifier.takes(due)) {
    // Whether the table knows him is not looked up: it would be at each query of a crowd.
    ++counters.strangers_unqueued;
    return;
  }
  switch (table.use_for(contact)) {
    case RoutingTable::Use::wanted: verifier.offer(now, contact, due); break;
    case RoutingTable::Use::known: break;
    case RoutingTable::Use::crowded: ++counters.strangers_crowded; break;
    case RoutingTable::Use::full: ++counters.strangers_unwanted; break;
  }
}

void Node::State::told_of(Instant now, Purpose purpose, const krpc::Reply& reply) {
  const bool young = table.size() < static_cast<std::size_t>(config.limits.early_contacts);
  if (now >= fill_until && !(young && purpose == Purpose::probe)) return;
  for_each_contact(config.family == Family::v4 ? reply.nodes : reply.nodes6, config.family, kMaxNamed,
                   [&](const Contact& named) {
                     const Instant due = std::max(now + kFillDelay, fill_next);
                     if (due > now + kFillAhead || !verifier.takes(due) || named.id == config.id) return;
                     if (!guard.allows(named.endpoint) || !table.wants(named)) return;
                     if (queries.table().waits_for(named.endpoint)) return;
                     if (verifier.offer(now, named, due)) fill_next = due + kFillSpacing;
                   });
}

void Node::State::pass_on(const krpc::Reply& reply, Output& out) const {
  const Family other = config.family == Family::v4 ? Family::v6 : Family::v4;
  for_each_contact(other == Family::v4 ? reply.nodes : reply.nodes6, other, kMaxNamed,
                   [&](const Contact& named) { out.other_family.push_back(named); });
}

// T5: whoever does not answer while nobody does may be there, and we may not be.
void Node::State::unanswered(Instant now, const Contact& contact, Instant sent) {
  if (outage.failed(now, contact, sent)) {
    ++counters.outages;
    bootstrap.table_shrank(now, 0);  // the ladder runs on, whatever the table holds
  }
  count_failures(now);
}

void Node::State::connected(Instant now) {
  if (introducer) introducer->heard(now);
  if (outage.heard(now)) bootstrap.first_contact(now);
  count_failures(now);
}

void Node::State::count_failures(Instant now) {
  while (const auto contact = outage.take(now)) lost(now, *contact);
}

void Node::State::learn(Instant now, const krpc::Reply& reply) {
  if (config.limits.contact_store == 0) return;
  for_each_contact(config.family == Family::v4 ? reply.nodes : reply.nodes6, config.family, kMaxNamed,
                   [&](const Contact& named) {
                     if (named.id != config.id && guard.allows(named.endpoint)) beyond.named(now, named);
                   });
}

void Node::State::lost(Instant now, const Contact& contact) {
  beyond.failed(contact);
  endpoints.silent(now, contact.endpoint);
  if (table.failed(contact)) {
    ++counters.evicted_silent;
    bootstrapped = bootstrapped && !table.empty();
    bootstrap.table_shrank(now, table.size());
  } else {
    maintenance.wake(now + std::chrono::seconds(1));
  }
}

bool Node::State::impostor(Instant now, const Contact& known, const NodeId& claimed, Purpose asked_for) {
  const bool was_stored = beyond.evict(known);
  const bool was_here = table.evict(known);
  if (was_here) {
    ++counters.evicted_impostor;
    bootstrapped = bootstrapped && !table.empty();
    bootstrap.table_shrank(now, table.size());
  }
  // Most often a node that was started again. It is asked for its new name before that counts. If that question is
  // answered under yet another name it is left alone for a while: it could keep us asking for ever.
  if (asked_for == Purpose::probe && !was_here) {
    verifier.failed(now, known.endpoint);
  } else {
    meet(now, {claimed, known.endpoint});
  }
  return was_here || was_stored;
}

void Node::State::gather_counters() {
  Counters& c = counters;
  c.sources_displaced = throttle.displaced();
  c.peers_expired = responder.store().expired();
  c.peers_displaced = responder.store().displaced();
  c.items_expired = responder.items().expired();
  c.items_displaced = responder.items().displaced();
  c.named_corrected = endpoints.corrected();
  c.named_avoided = endpoints.avoided();
  c.endpoints_displaced = endpoints.displaced();
  c.verify_avoided = verifier.avoided();
  c.verify_displaced = verifier.displaced();
  c.introducers_displaced = bootstrap.displaced();
  c.failures_excused = outage.excused();
  beyond.count_in(c);
  if (introducer) static_cast<IntroducerCounters&>(c) = introducer->counters();
  const RoutingTable::Dropped& dropped = table.dropped();
  c.contacts_crowded = dropped.crowded;
  c.contacts_twin = dropped.twin;
  c.evicted_replaced = dropped.replaced;
  c.evicted_moved = dropped.moved;
  c.contacts_demoted = dropped.demoted;
  c.spares_displaced = dropped.spares;
  c.evicted = c.evicted_silent + c.evicted_impostor + c.evicted_replaced + c.evicted_moved;
}

}  // namespace lodestone::dht
