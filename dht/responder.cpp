// SPDX-License-Identifier: Apache-2.0
#include "dht/responder.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace lodestone::dht {
namespace {

constexpr std::size_t kMaxNodes = 16;
// Nobody needs a longer transaction id, and what is echoed must not eat up the reply.
constexpr std::size_t kMaxTransaction = 128;
constexpr std::size_t kItemReplyMax = 1'500;  // S3

/// Whether the node asked for contacts of that family; without `want` the family of the transport is meant (BEP 32).
bool wants_family(const krpc::Query& q, Family family) {
  if (!q.want_v4 && !q.want_v6) return true;
  return family == Family::v4 ? q.want_v4 : q.want_v6;
}

/// The closest good contacts of a table, as a reply wants them, behind those that are shown anyhow.
class ClosestInTable {
 public:
  Bytes find(const RoutingTable& table, Family family, const Key& target, std::size_t k, Bytes shown) {
    const std::size_t stride = Contact::compact_size(family);
    k = std::min(k, kMaxNodes);
    if (shown.size() >= k * stride) return shown;
    std::array<const RoutingTable::Entry*, kMaxNodes> entries;
    const std::size_t n = table.closest(target, {entries.data(), k}, true);
    auto end = std::copy(shown.begin(), shown.end(), contacts_.begin());
    for (std::size_t i = 0; i < n && end != contacts_.begin() + static_cast<std::ptrdiff_t>(k * stride); ++i) {
      const Bytes compact = entries[i]->compact();
      if (!has(shown, stride, compact.subspan(NodeId::kSize))) end = std::copy(compact.begin(), compact.end(), end);
    }
    return {contacts_.begin(), end};
  }

 private:
  static bool has(Bytes contacts, std::size_t stride, Bytes endpoint) {
    for (std::size_t at = NodeId::kSize; at < contacts.size(); at += stride)
      if (std::memcmp(contacts.data() + at, endpoint.data(), endpoint.size()) == 0) return true;
    return false;
  }

  std::array<std::uint8_t, kMaxNodes * Contact::compact_size(Family::v6)> contacts_;
};

/// The sizes of key and signature have been checked by the decoder.
ItemView item_of(const krpc::Query& query) {
  ItemView item{query.value, std::nullopt};
  if (query.key.empty()) return item;
  MutablePart& part = item.signed_by.emplace();
  std::copy(query.key.begin(), query.key.end(), part.key.begin());
  std::copy(query.signature.begin(), query.signature.end(), part.signature.begin());
  part.salt = query.salt;
  part.seq = *query.seq;
  return item;
}

std::string_view describe(Items::Verdict why) {
  switch (why) {
    case Items::Verdict::full: return "store full";
    case Items::Verdict::not_canonical: return "not canonical";
    case Items::Verdict::value_too_big: return "value too big";
    case Items::Verdict::bad_signature: return "bad signature";
    case Items::Verdict::salt_too_big: return "salt too big";
    case Items::Verdict::cas_mismatch: return "CAS mismatch, read again";
    case Items::Verdict::seq_too_low: return "seq not above the current one";
    case Items::Verdict::stored:
    case Items::Verdict::refreshed: break;
  }
  return "";
}

std::uint64_t Counters::* reason_of(Items::Verdict why) {
  switch (why) {
    case Items::Verdict::full: return &Counters::puts_full;
    case Items::Verdict::cas_mismatch:
    case Items::Verdict::seq_too_low: return &Counters::puts_conflict;
    default: return &Counters::puts_invalid;
  }
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
              config.limits.peer_expiry, config.limits.peer_store_bytes},
             !config.private_net),
      items_(now, config.id, {config.limits.items_total, config.limits.items_bytes, config.limits.item_expiry}),
      samples_(config.limits.sample_interval),
      announced_(config.announced) {}

bool Responder::answer(Instant now, const Endpoint& from, Bytes transaction, const krpc::Query& query, std::size_t room,
                       const Tables& tables, wire::Rng& rng, wire::DatagramBatch& out, Counters& counters) {
  room_ = room;
  token_echoed_ = false;
  if (transaction.size() > kMaxTransaction) {
    ++counters.unanswered_transaction;
    return false;
  }
  switch (query.method) {
    case krpc::Method::ping: reply(transaction, {id_, from, std::nullopt, {}, {}, {}}, out, counters); break;
    case krpc::Method::announce_peer: announce(now, from, transaction, query, rng, out, counters); break;
    case krpc::Method::put: put(now, from, transaction, query, rng, out, counters); break;
    default: nodes(now, from, transaction, query, tables, rng, out, counters); break;
  }
  return token_echoed_;
}

/// Everything that is answered with nodes, and whatever else the method asks for.
void Responder::nodes(Instant now, const Endpoint& from, Bytes transaction, const krpc::Query& query,
                      const Tables& tables, wire::Rng& rng, wire::DatagramBatch& out, Counters& counters) {
  krpc::ReplyBody body{id_, from, std::nullopt, {}, {}, {}};
  const bool short_of_room = room_ < reply_max_;
  body.values_before_nodes = short_of_room;
  ClosestInTable own, other;
  const std::size_t wanted = tables.shown_wanted == 0 ? k_ : tables.shown_wanted;
  if (wants_family(query, family_)) {
    body.nodes_family = family_;
    body.nodes = own.find(tables.own, family_, query.target, wanted, tables.shown);
  }
  const Family other_family = family_ == Family::v4 ? Family::v6 : Family::v4;
  if (tables.other != nullptr && (query.want_v4 || query.want_v6) && wants_family(query, other_family)) {
    body.other_nodes = other.find(*tables.other, other_family, query.target, wanted, tables.other_shown);
  }

  Tokens::Token token;
  krpc::ScrapeBody scrape;
  krpc::SamplesBody samples;
  krpc::ItemBody item_body;
  std::optional<ItemView> item;
  bool give_token = false;
  const bool takes_token = query.method == krpc::Method::get_peers || query.method == krpc::Method::get;
  switch (query.method) {
    case krpc::Method::get_peers:
      give_token = store_.accepts(query.target);
      body.values = store_.sample(now, query.target, values_max_, rng, query.no_seed);
      if (!query.scrape || short_of_room) break;
      if (const auto* filters = scrapes_.find(now, query.target, store_)) {
        scrape = {filters->seeds.bytes(), filters->peers.bytes()};
        body.scrape = &scrape;
      }
      break;
    case krpc::Method::get:
      give_token = items_.accepts(query.target);
      item = items_.find(now, query.target);
      if (!item) break;
      item_body.signed_by = item->signed_by ? &*item->signed_by : nullptr;
      // Who has this or a newer one is told the number only.
      if (!(query.seq && item->signed_by && item->signed_by->seq <= *query.seq)) item_body.value = item->value;
      body.item = &item_body;
      break;
    case krpc::Method::sample_infohashes:
      samples = {samples_.take(now, store_, rng), samples_.interval_seconds(), store_.hashes()};
      body.samples = &samples;
      break;
    default: break;
  }
  // A full store gives no token, so that what is to be stored goes to somebody who has room (S1).
  if (give_token) {
    token = tokens_.make(now, from.address, query.target, rng);
    body.token = token;
  } else if (takes_token) {
    ++counters.tokens_withheld;
  }
  reply(transaction, body, out, counters);
}

void Responder::announce(Instant now, const Endpoint& from, Bytes transaction, const krpc::Query& query, wire::Rng& rng,
                         wire::DatagramBatch& out, Counters& counters) {
  ++counters.announces_in;
  if (!tokens_.valid(now, from.address, query.target, query.token, rng)) {
    ++counters.tokens_refused;
    return refuse(from, {krpc::kProtocolError, transaction, "bad token"}, out, counters);
  }
  token_echoed_ = true;
  const Endpoint peer{from.address, query.implied_port ? from.port : query.port};
  if (peer.port <= 1) {
    ++counters.announces_bad_port;
    return refuse(from, {krpc::kProtocolError, transaction, "bad port"}, out, counters);
  }
  if (!store_.add(now, query.target, peer, query.seed)) {
    ++counters.store_refused;
    if (announced_ != nullptr) announced_->set_full(true);
    return refuse(from, {krpc::kServerError, transaction, "store full"}, out, counters);
  }
  if (announced_ != nullptr) announced_->add(query.target);
  reply(transaction, {id_, from, std::nullopt, {}, {}, {}}, out, counters);
}

void Responder::put(Instant now, const Endpoint& from, Bytes transaction, const krpc::Query& query, wire::Rng& rng,
                    wire::DatagramBatch& out, Counters& counters) {
  ++counters.puts_in;
  const auto refused = [&](Items::Verdict why) {
    ++counters.puts_refused;
    ++(counters.*reason_of(why));
    refuse(from, {static_cast<int>(why), transaction, describe(why)}, out, counters);
  };
  // Before anything is hashed.
  if (query.value.size() > kMaxValue) return refused(Items::Verdict::value_too_big);
  if (query.salt.size() > kMaxSalt) return refused(Items::Verdict::salt_too_big);
  const ItemView item = item_of(query);
  if (!tokens_.valid(now, from.address, item.target(), query.token, rng)) {
    ++counters.tokens_refused;
    return refuse(from, {krpc::kProtocolError, transaction, "bad token"}, out, counters);
  }
  token_echoed_ = true;
  const Items::Verdict verdict = items_.put(now, item, query.cas);
  if (verdict != Items::Verdict::stored && verdict != Items::Verdict::refreshed) return refused(verdict);
  reply(transaction, {id_, from, std::nullopt, {}, {}, {}}, out, counters);
}

void Responder::move_to(const NodeId& id) {
  id_ = id;
  store_.move_to(id);
  items_.move_to(id);
}

void Responder::sweep(Instant now) {
  if (store_.next_sweep() <= now) {
    store_.sweep(now);
    if (announced_ != nullptr) {
      announced_->rebuild([this](auto&& f) { store_.for_each_hash(f); });
      announced_->set_full(false);  // or the next one that is refused says so again
    }
  }
  if (items_.next_sweep() <= now) items_.sweep(now);
}

void Responder::reply(Bytes transaction, const krpc::ReplyBody& body, wire::DatagramBatch& out,
                      Counters& counters) const {
  const std::size_t max = within_room(body.item != nullptr ? std::max(reply_max_, kItemReplyMax) : reply_max_);
  const std::size_t size = krpc::encode_reply(out.reserve(body.to, max), transaction, version_, body);
  out.commit(size);
  if (size != 0) ++counters.replies_out;
}

void Responder::refuse(const Endpoint& from, const krpc::Rejected& rejected, std::size_t room, wire::DatagramBatch& out,
                       Counters& counters) {
  room_ = room;
  refuse(from, rejected, out, counters);
}

void Responder::refuse(const Endpoint& from, const krpc::Rejected& rejected, wire::DatagramBatch& out,
                       Counters& counters) const {
  if (rejected.transaction.size() > kMaxTransaction) {
    ++counters.unanswered_transaction;
    return;
  }
  const std::size_t size = krpc::encode_error(out.reserve(from, within_room(reply_max_)), rejected.transaction,
                                              version_, rejected.code, rejected.reason);
  out.commit(size);
  counters.errors_out += size != 0;
}

}  // namespace lodestone::dht
