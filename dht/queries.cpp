// SPDX-License-Identifier: Apache-2.0
#include "dht/queries.hpp"

#include <algorithm>
#include <cassert>

namespace lodestone::dht {
namespace {

// While nothing is known about the network.
constexpr Duration kSlowGuess = std::chrono::seconds(1);
// No straggler is waited for longer, or those who answer late on purpose could make everything take as long as they
// like. What comes later is still used (L2).
constexpr Duration kOverdueMax = std::chrono::seconds(3);
// Nor is one given up sooner: while few round trips are known, and when they are.
constexpr Duration kOverdueEarly = std::chrono::seconds(1);
constexpr Duration kOverdueMin = std::chrono::milliseconds(500);

std::size_t encode(wire::MutableBytes room, const krpc::QueryHead& head, const Ask& ask) {
  switch (ask.method) {
    case krpc::Method::ping: return krpc::encode_ping(room, head);
    case krpc::Method::get_peers: return krpc::encode_get_peers(room, head, ask.target, ask.peers);
    case krpc::Method::announce_peer:
      return krpc::encode_announce_peer(room, head, ask.target, ask.port, ask.implied_port, ask.token, ask.seed);
    case krpc::Method::get: return krpc::encode_get(room, head, ask.target);
    case krpc::Method::put: return krpc::encode_put(room, head, ask.item->view(), ask.cas, ask.token);
    case krpc::Method::sample_infohashes: return krpc::encode_sample_infohashes(room, head, ask.target);
    case krpc::Method::find_node:
    case krpc::Method::other: break;
  }
  return krpc::encode_find_node(room, head, ask.target);
}

}  // namespace

Queries::Queries(const NodeConfig& config)
    : id_(config.id),
      version_(config.version.substr(0, 4)),
      read_only_(config.read_only),
      slow_min_(config.limits.slow_min),
      slow_max_(config.limits.slow_max),
      timeout_(config.limits.query_timeout),
      table_(config.limits.max_outstanding) {}

void Queries::send(Instant now, const Ask& ask, Purpose purpose, std::uint32_t owner, Duration usual_rtt,
                   wire::Rng& rng, wire::DatagramBatch& out) {
  Pending query;
  query.to = ask.to;
  query.expected = ask.expected;
  query.purpose = purpose;
  query.asks_nodes =
      ask.method != krpc::Method::ping && ask.method != krpc::Method::announce_peer && ask.method != krpc::Method::put;
  query.asks_samples = ask.method == krpc::Method::sample_infohashes;
  query.owner = owner;
  query.tag = ask.tag;
  query.sent = now;
  const std::uint32_t transaction = table_.add(query, late_times(now, usual_rtt), rng);
  const bool both = want_both_ && ask.method == krpc::Method::find_node;
  const krpc::QueryHead head{transaction, id_, version_, read_only_, both};
  const std::size_t max =
      ask.item != nullptr ? krpc::put_size_max(ask.item->view(), ask.token) : krpc::kQueryMax + ask.token.size();
  const std::size_t size = encode(out.reserve(ask.to, max), head, ask);
  assert(size != 0);
  out.commit(size);
}

std::optional<Pending> Queries::match(Instant now, Bytes transaction, const Endpoint& from) {
  auto query = table_.match(transaction, from);
  if (query) rtt_.add(now - query->sent);
  return query;
}

LateTimes Queries::late_times(Instant now, Duration usual_rtt) const {
  const bool informed = rtt_.samples() >= kEnoughSamples;
  Duration slow = informed ? rtt_.quantile(0.9) : kSlowGuess;
  if (usual_rtt > Duration::zero()) slow = 2 * usual_rtt;
  slow = std::clamp(slow, slow_min_, slow_max_);
  // Three times what 99 in 100 replies need: whoever has not answered by then will not change the result. In a network
  // of a few nodes there will never be many samples, and one of those nodes is often gone.
  Duration overdue = kOverdueMax;
  if (rtt_.samples() > 0) {
    overdue = std::clamp(3 * rtt_.quantile(0.99), informed ? kOverdueMin : kOverdueEarly, kOverdueMax);
  }
  overdue = std::clamp(overdue, slow, std::max(slow, timeout_));
  return {now + slow, now + overdue, now + std::max(overdue, timeout_)};
}

}  // namespace lodestone::dht
