// SPDX-License-Identifier: Apache-2.0
// The half of the router that runs operations: traversals and their waiting line, announcements, joining, upkeep.
#include <algorithm>
#include <array>
#include <cassert>

#include "dht/item_gather.hpp"
#include "dht/node_id_security.hpp"
#include "dht/node_state.hpp"

namespace lodestone::dht {
namespace {

// Half of all keys in a bucket that has not split yet are in our own half, where everybody is known already: a few
// lookups that find nobody new prove nothing.
constexpr int kFruitless = 6;
// A lookup starts from twice k contacts: some will not answer.
constexpr std::size_t kMaxStart = 32;
constexpr std::size_t kMaxVerified = 16;
// Joining asks more at once: introducers are often gone, and nobody is closer than anybody yet.
constexpr int kJoinAlpha = 8;
constexpr std::size_t kMaxLocalPeers = 500;
// L3: so many times k nodes are to be expected where an announcement does not wait: three in four of those there will
// be among the k closest, and nearly all among the k + 4 closest.
constexpr double kNear = 0.75;
// L1: and within the k closest of a search that has missed nobody, hardly ever more than this.
constexpr double kEnough = 1.5;

}  // namespace

Traversal* Node::State::find_running(Run run) {
  const auto at = std::find_if(running.begin(), running.end(), [run](const Running& r) { return r.run == run; });
  return at == running.end() ? nullptr : at->traversal.get();
}

Traversal* Node::State::find_asking(Run run) {
  if (Traversal* traversal = find_running(run)) return traversal;
  const auto at = std::find_if(lingering.begin(), lingering.end(), [run](const Running& r) { return r.run == run; });
  return at == lingering.end() ? nullptr : at->traversal.get();
}

void Node::State::send(Instant now, const Ask& ask, Purpose purpose, std::uint32_t owner, Output& out) {
  Duration usual_rtt{};
  if (ask.expected) {
    const auto* entry = table.find(*ask.expected);
    if (entry != nullptr && entry->endpoint() == ask.to) usual_rtt = entry->rtt();
  }
  queries.send(now, ask, purpose, owner, usual_rtt, rng, out.datagrams);
  ++counters.queries_out;
}

void Node::State::start(Instant now, Running&& operation, std::span<const Endpoint> introducers, Output& out) {
  std::array<const RoutingTable::Entry*, kMaxStart + kMaxVerified> entries;
  const auto k = static_cast<std::size_t>(config.limits.k);
  const std::span room{entries.data(), std::min(2 * k, kMaxStart)};
  const Key& target = operation.traversal->target();
  std::size_t n = table.closest(target, room, true);
  if (n < k) n = table.closest(target, room, false);
  n += closest_verified(target, std::span{entries}.subspan(n));
  std::array<Contact, kMaxStart + kMaxVerified> closest;
  for (std::size_t i = 0; i < n; ++i) closest[i] = entries[i]->contact();
  operation.traversal->begin(now, std::span{closest}.first(n), introducers);
  // The store knows nodes that are closer, the last lookup of the same hash the closest.
  beyond.for_each(now, target, 2 * k, prefers_verified(),
                  [&](const Contact& c) { operation.traversal->add_contact(c); });
  // And many have been named that lie closer still; some of them are there.
  beyond.for_each_named(target, 2 * k, [&](const Contact& c) { operation.traversal->add_hearsay(c); });
  table.note_lookup(now, target);
  const Run run = operation.run;
  running.push_back(std::move(operation));
  pump(now, run, out);
}

std::size_t Node::State::closest_verified(const Key& target, std::span<const RoutingTable::Entry*> out) const {
  if (!prefers_verified()) return 0;
  std::vector<const RoutingTable::Entry*> verified;
  table.for_each([&](const RoutingTable::Entry& e) {
    if (e.good() && id_matches(e.id(), e.endpoint().address)) verified.push_back(&e);
  });
  const std::size_t n = std::min({verified.size(), out.size(), static_cast<std::size_t>(config.limits.k)});
  std::partial_sort_copy(verified.begin(), verified.end(), out.begin(), out.begin() + static_cast<std::ptrdiff_t>(n),
                         [&](const RoutingTable::Entry* a, const RoutingTable::Entry* b) {
                           return wire::closer(target, a->id(), b->id());
                         });
  return n;
}

void Node::State::pump(Instant now, Run run, Output& out) {
  Traversal* traversal = find_running(run);
  if (traversal == nullptr) {
    std::erase_if(lingering, [run](const Running& r) { return r.run == run && !r.traversal->hopes(); });
    return;
  }
  for (;;) {
    while (!queries.full()) {
      auto ask = traversal->next(now);
      if (!ask) break;
      if (!guard.allows(ask->to)) {
        ++counters.refused_destination;
        traversal->on_refused(now, ask->tag, 0, out);
        continue;
      }
      // S6: it is on the way, but has said when it wants to be asked again.
      if (ask->method == krpc::Method::sample_infohashes && !sample_times.may_ask(now, ask->to)) {
        ask->method = krpc::Method::find_node;
        ++counters.samples_too_soon;
      }
      send(now, *ask, Purpose::traversal, run, out);
    }
    counters.queries_starved += !starved && queries.full();
    starved = starved || queries.full();
    switch (traversal->settle(now, out)) {
      case Traversal::Next::wait: return;
      case Traversal::Next::ask:
        if (queries.full()) return;
        break;
      case Traversal::Next::over: {
        const Traversal::Outcome outcome = traversal->outcome();
        const auto at = std::find_if(running.begin(), running.end(), [run](const Running& r) { return r.run == run; });
        const LookupId id = at->id;
        if (traversal->hopes()) lingering.push_back(std::move(*at));
        running.erase(at);
        return finished(now, run, id, outcome, out);
      }
    }
  }
}

void Node::State::finished(Instant now, Run run, LookupId id, const Traversal::Outcome& outcome, Output& out) {
  counters.lookups_crowded += outcome.crowded;
  counters.lookups_liars += outcome.liars;
  counters.told += outcome.stored;
  counters.told_in_vain += outcome.refused;
  if (id != 0) {
    ++counters.lookups_done;
    counters.lookups_unanswered += outcome.answered == 0;
    counters.items_superseded += outcome.superseded;
  }
  if (run == refreshing) refreshed(now);
  if (run == moving) return take_id(now, out);
  if (outcome.reach) density.add(outcome.target, *outcome.reach);
  if (outcome.remember) beyond.ended(now, outcome.target, outcome.closest, outcome.peers);
  if (id != 0) announcer.finished(now, id, outcome.stored, table.size(), rng);
  if (id != 0) republisher.finished(now, id, outcome.stored, outcome.superseded, rng);
  if (run != joining) return;
  joining = 0;
  bootstrap.finished(now, outage.offline() ? 0 : table.size(), rng);
  if (table.empty() || bootstrapped) return;
  bootstrapped = true;
  fruitless = 0;
  saved = {};
  out.events.emplace_back(event::Bootstrapped{table.size()});
  // The neighbourhood is known now; the buckets farther away get a lookup each.
  table.mark_all_stale();
  maintenance.wake(now);
  // Who only asks (T7) needs no more than what was saved.
  if (!config.read_only) beyond.begin(now);
}

bool Node::State::can_start() const {
  if (waiting.empty() || table.empty()) return false;
  const auto of_callers = std::count_if(running.begin(), running.end(), [](const Running& r) { return r.id != 0; });
  return static_cast<std::size_t>(of_callers) < config.limits.max_lookups;
}

void Node::State::work(Instant now, Output& out) {
  latest = std::max(latest, now);
  start_announcements(now, out);
  start_puts(now);
  start_waiting(now, out);
  join(now, out);
  keep_up(now, out);
  seek_id(now, out);
  verify(now, out);
  keep_store(now, out);
  if (starved && !queries.full()) {
    starved = false;
    std::vector<Run> runs;
    for (const Running& r : running) runs.push_back(r.run);
    for (const Run run : runs) pump(now, run, out);
  }
}

void Node::State::start_waiting(Instant now, Output& out) {
  while (can_start()) {
    Running next = std::move(waiting.front());
    waiting.erase(waiting.begin());
    std::vector<Endpoint> introducers;
    if (table.size() < static_cast<std::size_t>(config.limits.k)) introducers = bootstrap.batch();
    start(now, std::move(next), introducers, out);
  }
}

void Node::State::start_announcements(Instant now, Output& out) {
  while (const auto round = announcer.take_due(now, table.size())) {
    enqueue(round->id,
            make_lookup(now, round->id, krpc::Method::get_peers, Key{round->info_hash.bytes()}, round->spec, out));
  }
}

void Node::State::start_puts(Instant now) {
  while (const Item* item = republisher.take_due(now, last_id + 1, table.size())) {
    ++last_id;
    enqueue(last_id, make_gathering(last_id, krpc::Method::get, item->target(),
                                    std::make_unique<ItemGather>(*item, std::nullopt)));
  }
}

void Node::State::join(Instant now, Output& out) {
  if (!bootstrap.due(now)) return;
  joining = ++last_run;
  bootstrap.started();
  std::vector<Endpoint> introducers;
  if (outage.offline() || table.size() < static_cast<std::size_t>(config.limits.k)) introducers = bootstrap.batch();
  start(now, {joining, 0, make_silent_lookup(Key{config.id.bytes()}, kJoinAlpha)}, introducers, out);
}

void Node::State::refreshed(Instant now) {
  refreshing = 0;
  fruitless = table.size() > size_before ? 0 : fruitless + 1;
  if (now >= fill_until || fruitless >= kFruitless) return;
  table.look_again(refresh_target);
  maintenance.wake(now);
}

void Node::State::keep_up(Instant now, Output& out) {
  const auto work_due = maintenance.take_due(now, table, queries.table(), refreshing != 0, rng);
  if (work_due.ask && !queries.full()) probe(now, *work_due.ask, table.random_key_near(*work_due.ask, rng), out);
  if (!work_due.look_up) return;
  refreshing = ++last_run;
  refresh_target = *work_due.look_up;
  size_before = table.size();
  start(now, {refreshing, 0, make_silent_lookup(*work_due.look_up, config.limits.alpha)}, {}, out);
}

void Node::State::seek_id(Instant now, Output& out) {
  // Who only asks for a moment (T7) is stored by nobody, under no id.
  if (moving != 0 || config.private_net || config.read_only || table.empty()) return;
  const auto& us = address_votes.agreed();
  if (!us || id_matches(config.id, *us)) return;
  next_id = derive_id(*us, rng);
  moving = ++last_run;
  // The neighbours to be are found first, under the old id, which goes on answering until then.
  start(now, {moving, 0, make_silent_lookup(Key{next_id.bytes()}, kJoinAlpha)}, {}, out);
}

void Node::State::take_id(Instant now, Output& out) {
  moving = 0;
  out.events.emplace_back(event::IdChanged{config.id, next_id});
  config.id = next_id;
  queries.set_id(next_id);
  table.move_to(next_id);
  beyond.move_to(next_id);
  responder.move_to(next_id);
  if (introducer) introducer->move_to(next_id);
  // Once more, so that the neighbours hear of us, and the bucket that is ours now is filled.
  if (joining == 0) bootstrap.first_contact(now);
  maintenance.wake(now);
}

void Node::State::verify(Instant now, Output& out) {
  while (!queries.full()) {
    const auto contact = verifier.take_due(now);
    if (!contact) return;
    // The world may have moved on while it waited.
    if (!table.wants(*contact) || queries.table().waits_for(contact->endpoint)) {
      ++counters.verify_outdated;
      continue;
    }
    // Until we are in, whoever is asked is asked for our neighbours; while the table is young, every other one: all of
    // them would soon teach nothing more.
    const bool early = table.size() < static_cast<std::size_t>(config.limits.early_contacts);
    const bool ours = !bootstrapped || (early && rng.chance(0.5));
    probe(now, *contact, ours ? Key{config.id.bytes()} : table.random_key_near(*contact, rng), out);
  }
}

void Node::State::keep_store(Instant now, Output& out) {
  while (!queries.full()) {
    const auto question = beyond.take_due(now, rng);
    if (!question) return;
    probe(now, question->to, question->target, out);
  }
}

void Node::State::probe(Instant now, const Contact& contact, const Key& target, Output& out) {
  if (!guard.allows(contact.endpoint)) {
    ++counters.refused_destination;
    return;
  }
  Ask ask;
  ask.to = contact.endpoint;
  ask.expected = contact.id;
  ask.method = krpc::Method::find_node;
  ask.target = target;
  send(now, ask, Purpose::probe, 0, out);
}

std::unique_ptr<Lookup> Node::State::make_lookup(Instant now, LookupId id, krpc::Method method, const Key& target,
                                                 std::optional<AnnounceSpec> announce, Output& out, bool traced) {
  Lookup::Params params;
  params.id = id;
  params.traced = traced;
  params.method = method;
  params.target = target;
  params.announce = announce;
  params.known_as = announce ? announce : announcer.spec_of(InfoHash{target.bytes()});
  params.k = config.limits.k;
  params.alpha = config.limits.alpha;
  if (method == krpc::Method::get_peers) {
    params.beta = config.limits.beta;
    params.near = density.share_of(kNear * config.limits.k);
    params.enough = density.share_of(kEnough * config.limits.k);
  }
  params.diverse = !config.private_net;
  params.prefer_verified = prefers_verified();
  auto lookup = std::make_unique<Lookup>(params, config.id, guard);
  if (method == krpc::Method::get_peers) {
    const bool no_seeds = params.known_as && params.known_as->seed;
    lookup->add_local_peers(responder.store().sample(now, target, kMaxLocalPeers, rng, no_seeds), own_address, out);
    // Somebody who downloads tries them at once; the answer of a `dht` command shall be today's.
    if (!config.read_only) lookup->add_local_peers(beyond.peers(now, target), own_address, out);
  }
  return lookup;
}

std::unique_ptr<Lookup> Node::State::make_gathering(LookupId id, krpc::Method method, const Key& target,
                                                    std::unique_ptr<Gather> gather) {
  Lookup::Params params;
  params.id = id;
  params.method = method;
  params.target = target;
  params.k = config.limits.k;
  params.alpha = config.limits.alpha;
  params.diverse = !config.private_net;
  params.prefer_verified = prefers_verified();
  return std::make_unique<Lookup>(params, config.id, guard, std::move(gather));
}

void Node::State::take_samples(Instant now, const Pending& query, const Contact& from, const krpc::Reply& reply,
                               Output& out) {
  const auto interval = std::clamp<std::int64_t>(reply.interval.value_or(0), 0, SampleTimes::kLongest);
  sample_times.answered(now, from.endpoint, interval);
  event::Samples event{0, 0, from.id, from.endpoint, static_cast<std::uint32_t>(interval), 0, {}};
  if (query.purpose == Purpose::caller) {
    event.query = query.owner;
  } else {
    const auto of =
        std::find_if(running.begin(), running.end(), [&](const Running& r) { return r.run == query.owner; });
    if (of == running.end()) return;
    event.lookup = of->id;
  }
  const Bytes raw = *reply.samples;
  for (std::size_t at = 0; at + InfoHash::kSize <= raw.size(); at += InfoHash::kSize) {
    event.hashes.push_back(*InfoHash::from_bytes(raw.subspan(at, InfoHash::kSize)));
  }
  event.num = static_cast<std::uint64_t>(std::max<std::int64_t>(reply.num.value_or(0), 0));
  out.events.emplace_back(std::move(event));
}

bool Node::State::prefers_verified() const {
  if (config.private_net) return false;
  std::size_t verified = 0;
  table.for_each([&](const RoutingTable::Entry& e) { verified += id_matches(e.id(), e.endpoint().address); });
  return verified >= static_cast<std::size_t>(config.limits.k) && verified * 2 >= table.size();
}

std::unique_ptr<Lookup> Node::State::make_silent_lookup(const Key& target, int alpha) {
  Lookup::Params params;
  params.target = target;
  params.silent = true;
  params.k = config.limits.k;
  params.alpha = alpha;
  params.diverse = !config.private_net;
  params.prefer_verified = prefers_verified();
  return std::make_unique<Lookup>(params, config.id, guard);
}

std::uint32_t Node::State::ask_one(Instant now, const Endpoint& to, krpc::Method method, const Key& target,
                                   Output& out) {
  const std::uint32_t number = ++last_query;
  const bool too_soon = method == krpc::Method::sample_infohashes && !sample_times.may_ask(now, to);
  if (!guard.allows(to) || queries.full() || too_soon) {
    ++(!guard.allows(to) ? counters.refused_destination
                         : (queries.full() ? counters.queries_refused : counters.samples_too_soon));
    event::QueryDone refused;
    refused.query = number;
    refused.to = to;
    out.events.emplace_back(std::move(refused));
    return number;
  }
  Ask ask;
  ask.to = to;
  ask.method = method;
  ask.target = target;
  send(now, ask, Purpose::caller, number, out);
  return number;
}

}  // namespace lodestone::dht
