// SPDX-License-Identifier: Apache-2.0
#include "dht/responder.hpp"

#include <algorithm>
#include <array>

namespace lodestone::dht {
namespace {

constexpr std::size_t kMaxNodes = 16;
// Nobody needs a longer transaction id, and what is echoed must not eat up the reply.
constexpr std::size_t kMaxTransaction = 128;

/// Whether the node asked for contacts of that family; without `want` the family of the transport is meant (BEP 32).
bool wants_family(const krpc::Query& q, Family family) {
  if (!q.want_v4 && !q.want_v6) return true;
  return family == Family::v4 ? q.want_v4 : q.want_v6;
}

}  // namespace

Responder::Responder(Instant now, const NodeConfig& config, wire::Rng& rng)
    : id_(config.id),
      version_(config.version),
      family_(config.family),
      k_(static_cast<std::size_t>(config.limits.k)),
      reply_max_(config.limits.reply_max),
      values_max_(config.limits.values_per_reply),
      tokens_(now, config.limits.token_rotation, rng),
      store_(now, config.family, config.id,
             {config.limits.peers_per_hash, config.limits.peers_total, config.limits.hashes_total,
              config.limits.peer_expiry},
             !config.private_net) {}

void Responder::answer(Instant now, const Endpoint& from, Bytes transaction, const krpc::Query& query,
                       const RoutingTable& table, wire::Rng& rng, wire::DatagramBatch& out, Counters& counters) {
  if (transaction.size() > kMaxTransaction) return;
  if (query.method == krpc::Method::announce_peer) {
    return announce(now, from, transaction, query, rng, out, counters);
  }
  krpc::ReplyBody body{id_, from, std::nullopt, {}, {}, {}};
  if (query.method == krpc::Method::ping) return reply(transaction, body, out, counters);

  std::array<const RoutingTable::Entry*, kMaxNodes> nearest;
  std::array<const Contact*, kMaxNodes> contacts;
  if (wants_family(query, family_)) {
    const std::size_t n = table.closest(query.target, {nearest.data(), std::min(k_, kMaxNodes)}, true);
    std::copy_n(nearest.begin(), n, contacts.begin());
    body.nodes_family = family_;
    body.nodes = {contacts.data(), n};
  }
  Tokens::Token token;
  if (query.method == krpc::Method::get_peers) {
    // A full store gives no token, so that the announce goes to somebody who has room (S1).
    if (store_.accepts(query.target)) {
      token = tokens_.make(now, from.address, query.target, rng);
      body.token = token;
    }
    body.values = store_.sample(now, query.target, values_max_, rng);
  }
  reply(transaction, body, out, counters);
}

void Responder::announce(Instant now, const Endpoint& from, Bytes transaction, const krpc::Query& query, wire::Rng& rng,
                         wire::DatagramBatch& out, Counters& counters) {
  ++counters.announces_in;
  if (!tokens_.valid(now, from.address, query.target, query.token, rng)) {
    ++counters.tokens_refused;
    return refuse(from, {krpc::kProtocolError, transaction, "bad token"}, out);
  }
  const Endpoint peer{from.address, query.implied_port ? from.port : query.port};
  if (peer.port <= 1) return refuse(from, {krpc::kProtocolError, transaction, "bad port"}, out);
  if (!store_.add(now, query.target, peer)) {
    ++counters.store_refused;
    return refuse(from, {krpc::kServerError, transaction, "store full"}, out);
  }
  reply(transaction, {id_, from, std::nullopt, {}, {}, {}}, out, counters);
}

void Responder::reply(Bytes transaction, const krpc::ReplyBody& body, wire::DatagramBatch& out,
                      Counters& counters) const {
  const std::size_t size = krpc::encode_reply(out.reserve(body.to, reply_max_), transaction, version_, body);
  out.commit(size);
  if (size != 0) ++counters.replies_out;
}

void Responder::refuse(const Endpoint& from, const krpc::Rejected& rejected, wire::DatagramBatch& out) const {
  if (rejected.transaction.size() > kMaxTransaction) return;
  out.commit(krpc::encode_error(out.reserve(from, reply_max_), rejected.transaction, version_, rejected.code,
                                rejected.reason));
}

}  // namespace lodestone::dht
