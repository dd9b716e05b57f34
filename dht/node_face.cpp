// SPDX-License-Identifier: Apache-2.0
// The public face of the router: what a caller may ask of a Node, and what it shows.
#include <algorithm>
#include <array>
#include <cassert>
#include <limits>
#include <span>
#include <utility>

#include "dht/item_gather.hpp"
#include "dht/items_snapshot.hpp"
#include "dht/node.hpp"
#include "dht/node_state.hpp"
#include "dht/scrape_gather.hpp"

namespace lodestone::dht {
namespace {

constexpr std::size_t kSavedIntroducers = 32;  // contacts of the last run that are asked until it works

}  // namespace

std::size_t introducer_bytes(Family family, const Limits& limits) {
  return limits.ring_size == 0 ? 0 : Introducer::bytes_for(family, limits);
}

Node::Node(Instant now, NodeConfig config, wire::Rng rng)
    : state_(std::make_unique<State>(now, std::move(config), rng)) {}
Node::Node(Node&&) noexcept = default;
Node& Node::operator=(Node&&) noexcept = default;
Node::~Node() = default;

void Node::expect(Instant now, std::span<const Endpoint> sources) {
  if (state_->introducer) state_->introducer->expect(now, sources);
}

void Node::receive(Instant now, const Endpoint& from, Bytes datagram, Output& out, const Node* sister) {
  assert(sister == nullptr || sister->family() != family());
  state_->receive(now, from, datagram, sister, out);
}

void Node::advance(Instant now, Output& out) { state_->advance(now, out); }

Instant Node::next_deadline() const { return state_->next_deadline(); }

void Node::add_introducers(Instant now, std::span<const Endpoint> introducers, Output& out) {
  State& s = *state_;
  for (const Endpoint& e : introducers) {
    if (!s.guard.allows(e)) {
      ++s.counters.refused_destination;
      continue;
    }
    if (!s.bootstrap.add(now, e, s.table.size())) continue;
    // The running join takes it in at once.
    if (Traversal* join = s.find_running(s.joining)) join->add_introducer(e);
  }
  if (s.joining != 0) s.pump(now, s.joining, out);
  s.work(now, out);
}

void Node::restore(Instant now, const Snapshot& saved, Output& out, UnixSeconds wall_now) {
  State& s = *state_;
  s.beyond.restore(now, saved, wall_now, s.rng, [&](const Endpoint& e) { return s.guard.allows(e); });
  std::vector<SavedContact> contacts = saved.contacts;
  std::sort(contacts.begin(), contacts.end(), [](const SavedContact& a, const SavedContact& b) {
    return a.last_seen != b.last_seen ? a.last_seen > b.last_seen : a.id < b.id;
  });
  std::erase_if(contacts, [&](const SavedContact& c) { return c.id == s.config.id || !s.guard.allows(c.endpoint); });
  Instant due = now;
  for (const SavedContact& c : contacts) {
    // A nanosecond apart: in the order of when they were last seen.
    if (s.verifier.offer_saved(now, {c.id, c.endpoint}, due)) due += Duration{1};
  }
  // Verified once; the latest are asked again for as long as it takes, like other introducers (T9).
  for (std::size_t i = 0; i < std::min(contacts.size(), kSavedIntroducers); ++i) {
    s.bootstrap.add(now, contacts[i].endpoint, s.table.size());
  }
  if (!s.bootstrapped) s.saved = std::move(contacts);
  s.work(now, out);
}

Snapshot Node::snapshot(UnixSeconds wall_now, Instant now) const {
  Snapshot out;
  out.id = state_->config.id;
  out.saved = wall_now;
  out.contacts.reserve(state_->table.size() + state_->saved.size());
  state_->table.for_each([&](const RoutingTable::Entry& e) {
    const auto silence = std::chrono::duration_cast<std::chrono::seconds>(state_->table.silence(now, e)).count();
    out.contacts.push_back({e.id(), e.endpoint(), wall_now - silence, e.rtt(), !e.good(), e.version});
  });
  const std::size_t held = out.contacts.size();
  for (const SavedContact& c : state_->saved) {
    const auto end = out.contacts.begin() + static_cast<std::ptrdiff_t>(held);
    const bool here = std::any_of(out.contacts.begin(), end,
                                  [&](const SavedContact& h) { return h.id == c.id || h.endpoint == c.endpoint; });
    if (!here) out.contacts.push_back(c);
  }
  state_->beyond.save(now, wall_now, out);
  const auto uptime = std::chrono::duration_cast<std::chrono::seconds>(now - state_->started).count();
  out.run = SavedCounters{std::max<UnixSeconds>(wall_now - uptime, 0), counters()};
  return out;
}

bool Node::wants_contacts(Instant now) const { return state_->referrals.wanted(now, state_->table.size()); }

void Node::want_both(bool yes) { state_->queries.want_both(yes); }

void Node::offer(Instant now, std::span<const Contact> contacts, Output& out) {
  State& s = *state_;
  for (const Contact& c : contacts.first(std::min(contacts.size(), kMaxNamed))) {
    if (!s.referrals.wanted(now, s.table.size())) break;
    if (c.id == s.config.id || !s.guard.allows(c.endpoint) || !s.table.wants(c)) continue;
    if (s.queries.table().waits_for(c.endpoint) || !s.verifier.takes(now)) continue;
    if (s.verifier.offer(now, c, now)) s.referrals.taken(now);
  }
  s.work(now, out);
}

void Node::met(Instant now, const Contact& stranger, bool read_only, bool served, Output& out) {
  State& s = *state_;
  if (!s.introducer || !s.guard.allows(stranger.endpoint)) return;
  s.introducer->met(now, stranger, read_only, served, s.rng, out.datagrams);
  s.greet(now, stranger, read_only);
}

void Node::suggest(Instant now, const Endpoint& endpoint, Output& out) {
  State& s = *state_;
  if (s.introducer && s.guard.allows(endpoint)) s.introducer->suggested(now, endpoint, s.rng, out.datagrams);
}

std::size_t Node::deal(wire::MutableBytes room) { return state_->introducer ? state_->introducer->deal(room) : 0; }

const Tokens& Node::tokens() const { return state_->responder.tokens(); }

void Node::restore_ring(Bytes contacts) {
  State& s = *state_;
  if (!s.introducer) return;
  std::array<Contact, 256> some;
  std::size_t count = 0;
  const auto hand_over = [&] { s.introducer->restore(std::span(some).first(std::exchange(count, 0))); };
  for_each_contact(contacts, s.config.family, std::numeric_limits<std::size_t>::max(), [&](const Contact& c) {
    if (!s.guard.allows(c.endpoint)) return;
    some[count++] = c;
    if (count == some.size()) hand_over();
  });
  hand_over();
}

void Node::assume(Instant now, std::span<const KnownContact> contacts) {
  State& s = *state_;
  for (const KnownContact& c : contacts) {
    if (!s.guard.allows(c.endpoint)) continue;
    (void)s.table.answered(now - c.age, {c.id, c.endpoint}, c.rtt);
    s.beyond.answered(now - c.age, {c.id, c.endpoint}, c.rtt);
  }
  if (s.table.empty()) return;
  // Each bucket was looked into at some moment of the last period, so that they do not all come due together.
  const Duration period = s.config.limits.bucket_refresh;
  for (const KnownContact& c : contacts) {
    s.table.note_lookup(now - uniform(Duration::zero(), period, s.rng), Key{c.id.bytes()});
  }
  s.ever_answered = s.bootstrapped = true;
  s.latest = std::max(s.latest, now);
  s.maintenance.wake(now);
  s.beyond.begin(now);
}

wire::ByteVector Node::saved_items(UnixSeconds wall_now, Instant now) const {
  return encode(state_->responder.items(), now, wall_now);
}

void Node::restore_items(Instant now, std::span<const AgedItem> items) {
  for (const AgedItem& aged : items) (void)state_->responder.items().restore(now, aged);
}

std::uint64_t Node::item_puts() const { return state_->responder.items().puts(); }

LookupId Node::get_peers(Instant now, const InfoHash& info_hash, std::optional<AnnounceSpec> announce, Output& out) {
  State& s = *state_;
  const LookupId id = ++s.last_id;
  s.enqueue(id, s.make_lookup(now, id, krpc::Method::get_peers, Key{info_hash.bytes()}, announce, out));
  s.work(now, out);
  return id;
}

LookupId Node::trace(Instant now, const InfoHash& info_hash, Output& out) {
  State& s = *state_;
  const LookupId id = ++s.last_id;
  s.enqueue(id, s.make_lookup(now, id, krpc::Method::get_peers, Key{info_hash.bytes()}, std::nullopt, out, true));
  s.work(now, out);
  return id;
}

LookupId Node::find_node(Instant now, const Key& target, Output& out) {
  State& s = *state_;
  const LookupId id = ++s.last_id;
  s.enqueue(id, s.make_lookup(now, id, krpc::Method::find_node, target, std::nullopt, out));
  s.work(now, out);
  return id;
}

LookupId Node::get_item(Instant now, const Key& target, Bytes salt, Output& out) {
  State& s = *state_;
  const LookupId id = ++s.last_id;
  auto gather = std::make_unique<ItemGather>(target, wire::ByteVector(salt.begin(), salt.end()));
  if (const auto stored = s.responder.items().find(now, target)) gather->add_local(id, *stored, out);
  s.enqueue(id, s.make_gathering(id, krpc::Method::get, target, std::move(gather)));
  s.work(now, out);
  return id;
}

LookupId Node::put_item(Instant now, const Item& item, std::optional<std::int64_t> cas, Output& out) {
  State& s = *state_;
  const LookupId id = ++s.last_id;
  s.enqueue(id, s.make_gathering(id, krpc::Method::get, item.target(), std::make_unique<ItemGather>(item, cas)));
  s.work(now, out);
  return id;
}

bool Node::keep_item(Instant now, const Item& item, Output& out) {
  State& s = *state_;
  const bool is_new = s.republisher.keep(now, item);
  s.work(now, out);
  return is_new;
}

void Node::drop_item(const Key& target) { state_->republisher.drop(target); }

std::vector<Key> Node::kept_items() const { return state_->republisher.targets(); }

LookupId Node::scrape(Instant now, const InfoHash& info_hash, Output& out) {
  State& s = *state_;
  const LookupId id = ++s.last_id;
  const Key target{info_hash.bytes()};
  auto gather = std::make_unique<ScrapeGather>(info_hash);
  BloomFilter seeds, peers;
  if (s.responder.store().count_in(now, target, seeds, peers)) gather->add_local(seeds, peers);
  s.enqueue(id, s.make_gathering(id, krpc::Method::get_peers, target, std::move(gather)));
  s.work(now, out);
  return id;
}

LookupId Node::sample(Instant now, const Key& target, Output& out) {
  State& s = *state_;
  const LookupId id = ++s.last_id;
  s.enqueue(id, s.make_gathering(id, krpc::Method::sample_infohashes, target, nullptr));
  s.work(now, out);
  return id;
}

void Node::cancel(LookupId lookup) {
  State& s = *state_;
  if (lookup == 0) return;
  s.announcer.withdraw(lookup);
  std::erase_if(s.running, [&](const State::Running& r) { return r.id == lookup; });
  std::erase_if(s.waiting, [&](const State::Running& r) { return r.id == lookup; });
  std::erase_if(s.lingering, [&](const State::Running& r) { return r.id == lookup; });
}

LookupId Node::keep_announced(Instant now, const InfoHash& info_hash, AnnounceSpec announce, Output& out,
                              Duration delay) {
  State& s = *state_;
  const LookupId id = s.announcer.keep(now + delay, ++s.last_id, info_hash, announce);
  s.work(now, out);
  return id;
}

void Node::withdraw(const InfoHash& info_hash) {
  if (const auto id = state_->announcer.withdraw(info_hash)) cancel(*id);
}

std::uint32_t Node::ping(Instant now, const Endpoint& to, Output& out) {
  return state_->ask_one(now, to, krpc::Method::ping, {}, out);
}

std::uint32_t Node::find_node_at(Instant now, const Endpoint& to, const Key& target, Output& out) {
  return state_->ask_one(now, to, krpc::Method::find_node, target, out);
}

std::uint32_t Node::sample_at(Instant now, const Endpoint& to, const Key& target, Output& out) {
  return state_->ask_one(now, to, krpc::Method::sample_infohashes, target, out);
}

const NodeId& Node::id() const { return state_->config.id; }
Family Node::family() const { return state_->config.family; }
std::size_t Node::table_size() const { return state_->table.size(); }
std::size_t Node::store_size() const { return state_->beyond.size(); }
bool Node::ever_answered() const { return state_->ever_answered; }
bool Node::offline() const { return state_->outage.offline(); }
std::optional<Endpoint> Node::external() const {
  const auto& said = state_->config.external;
  const auto heard = state_->own_address.endpoint();
  return said && (!heard || heard->address != said->address) ? said : heard;  // of the port others know more
}

std::vector<NodeView> Node::closest(const Key& target, std::size_t n) const {
  std::vector<const RoutingTable::Entry*> entries(std::min(n, state_->table.size()));
  const std::size_t found = state_->table.closest(target, entries, true);
  std::vector<NodeView> out;
  out.reserve(found);
  for (std::size_t i = 0; i < found; ++i) {
    out.push_back({entries[i]->id(), entries[i]->endpoint(), entries[i]->rtt(), false});
  }
  return out;
}

Bytes Node::ring() const { return state_->introducer ? state_->introducer->ring().contacts() : Bytes{}; }
std::size_t Node::ring_size() const { return state_->introducer ? state_->introducer->ring().size() : 0; }
bool Node::ring_is_young() const { return state_->introducer && state_->introducer->is_young(); }
std::size_t Node::ping_queue() const { return state_->introducer ? state_->introducer->queued() : 0; }

std::size_t Node::stored_peers(const InfoHash& info_hash) const {
  return state_->responder.store().count(Key{info_hash.bytes()});
}

std::size_t Node::stored_items() const { return state_->responder.items().size(); }

StoredSizes Node::stored_sizes() const {
  const PeerStore& peers = state_->responder.store();
  const Items& items = state_->responder.items();
  return {peers.hashes(), peers.peers(), peers.bytes(), items.size(), items.bytes()};
}

const Counters& Node::counters() const {
  state_->gather_counters();
  return state_->counters;
}

void Node::check_invariants() const {
  const State& s = *state_;
  s.throttle.check_invariants();
  s.table.check_invariants();
  s.queries.table().check_invariants();
  s.beyond.check_invariants();
  s.responder.store().check_invariants();
  s.responder.items().check_invariants();
  if (s.introducer) s.introducer->check_invariants();
  assert(s.next_deadline() <= s.queries.next_deadline());
  assert(s.joining == 0 || s.bootstrap.running());
  assert(s.lingering.size() <= s.queries.table().size());
  s.table.for_each([&]([[maybe_unused]] const RoutingTable::Entry& e) { assert(s.guard.allows(e.endpoint())); });
}

}  // namespace lodestone::dht
