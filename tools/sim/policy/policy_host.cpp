// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/policy/policy_host.hpp"

#include <algorithm>
#include <array>
#include <map>

namespace lodestone::tools::sim {
namespace {

constexpr std::size_t kWholeTable = 1'024;

}  // namespace

PolicyHost::PolicyHost(World& world, const Policy& policy, std::unique_ptr<DhtHost> half)
    : world_(world), policy_(policy), half_(std::move(half)), rng_(world.fork_rng()), timer_(world, [this] {
        advance();
      }) {
  world_.bind(half_->host(), half_->local().port, [this](const Endpoint& from, Bytes bytes) { receive(from, bytes); });
}

PolicyHost::~PolicyHost() { world_.bind(half_->host(), 0, nullptr); }

void PolicyHost::bootstrap(std::span<const Endpoint> introducers) {
  start(wire::Key{half_->node().id().bytes()}, Kind::find_node, std::nullopt, introducers);
}

void PolicyHost::start(const wire::Key& target, Kind kind, std::optional<std::uint16_t> announce,
                       std::span<const Endpoint> introducers) {
  Running running{++last_number_, kind, announce, PolicySearch(policy_, target, half_->node().id())};
  for (const dht::Contact& c : closest_in_table(target)) running.search.add(c);
  for (const Endpoint& e : introducers) running.search.add_introducer(e);
  searches_.push_back(std::move(running));
  pump(searches_.size() - 1);
  arm();
}

std::vector<dht::Contact> PolicyHost::closest_in_table(const wire::Key& target) const {
  const std::size_t shown = policy_.bucket_room ? kWholeTable : policy_.start;
  std::vector<dht::Contact> out;
  std::map<int, std::size_t> taken;
  if (!policy_.bucket_room) {
    for (const dht::NodeView& v : half_->node().closest(target, shown)) out.push_back({v.id, v.endpoint});
    return out;
  }
  // A smaller table: of each bucket those that its own order puts first, whatever is searched for.
  const wire::NodeId& own = half_->node().id();
  std::vector<dht::NodeView> all = half_->node().closest(target, shown);
  std::sort(all.begin(), all.end(),
            [](const dht::NodeView& a, const dht::NodeView& b) { return a.endpoint < b.endpoint; });
  for (const dht::NodeView& v : all) {
    if (++taken[wire::common_prefix(own, v.id)] <= *policy_.bucket_room) out.push_back({v.id, v.endpoint});
  }
  const std::size_t n = std::min(out.size(), policy_.start);
  std::partial_sort(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(n), out.end(),
                    [&](const dht::Contact& a, const dht::Contact& b) { return wire::closer(target, a.id, b.id); });
  out.resize(n);
  return out;
}

Duration PolicyHost::slow_after() const {
  return rtt_.samples() < kEnoughSamples ? policy_.timeout : rtt_.quantile(0.9);
}

void PolicyHost::receive(const Endpoint& from, Bytes datagram) {
  if (const auto message = decoder_.decode(datagram); message && take_reply(from, *message)) return;
  half_->receive(from, datagram);
}

bool PolicyHost::take_reply(const Endpoint& from, const dht::krpc::Message& message) {
  const auto* reply = std::get_if<dht::krpc::Reply>(&message.body);
  if (reply == nullptr || message.transaction.size() != 4) return false;
  const auto query = pending_.find(wire::load_be32(message.transaction.data()));
  if (query == pending_.end() || query->second.to != from) return false;
  const Pending pending = query->second;
  pending_.erase(query);
  rtt_.add(world_.now() - pending.sent);
  const auto at =
      std::find_if(searches_.begin(), searches_.end(), [&](const Running& r) { return r.number == pending.search; });
  if (at == searches_.end()) return true;
  std::vector<dht::Contact> named;
  dht::for_each_contact(reply->nodes, wire::Family::v4, kMaxNamed, [&](const dht::Contact& c) { named.push_back(c); });
  at->search.answered(from, reply->id, reply->token, named);
  pump(static_cast<std::size_t>(at - searches_.begin()));
  arm();
  return true;
}

void PolicyHost::advance() {
  const Instant now = world_.now();
  for (std::size_t i = searches_.size(); i-- > 0;) {
    if (searches_[i].search.next_deadline() > now) continue;
    searches_[i].search.advance(now);
    pump(i);
  }
  std::erase_if(pending_, [&](const auto& p) { return p.second.sent + policy_.timeout <= now; });
  arm();
}

void PolicyHost::pump(std::size_t at) {
  Running& running = searches_[at];
  while (const auto whom = running.search.next(world_.now(), slow_after())) ask(running, *whom);
  if (!running.search.over()) return;
  if (running.announce) tell(running);
  searches_.erase(searches_.begin() + static_cast<std::ptrdiff_t>(at));
}

void PolicyHost::ask(Running& running, const dht::Contact& whom) {
  const auto transaction = static_cast<std::uint32_t>(rng_.next());
  pending_[transaction] = {running.number, whom.endpoint, world_.now()};
  std::array<std::uint8_t, dht::krpc::kQueryMax> room;
  const dht::krpc::QueryHead head{transaction, half_->node().id(), {}};
  const wire::Key& target = running.search.target();
  const std::size_t size = running.kind == Kind::get_peers ? dht::krpc::encode_get_peers(room, head, target)
                                                           : dht::krpc::encode_find_node(room, head, target);
  world_.send(half_->host(), whom.endpoint, Bytes{room}.first(size));
}

void PolicyHost::tell(const Running& running) {
  for (const PolicySearch::Candidate* c : running.search.closest()) {
    if (c->token.empty()) continue;
    wire::ByteVector room(dht::krpc::kQueryMax + c->token.size());
    const dht::krpc::QueryHead head{static_cast<std::uint32_t>(rng_.next()), half_->node().id(), {}};
    const std::size_t size =
        dht::krpc::encode_announce_peer(room, head, running.search.target(), *running.announce, false, c->token);
    world_.send(half_->host(), c->contact.endpoint, Bytes{room}.first(size));
  }
}

void PolicyHost::arm() {
  Instant next = wire::kNever;
  for (const Running& r : searches_) next = std::min(next, r.search.next_deadline());
  timer_.arm(next);
}

}  // namespace lodestone::tools::sim
