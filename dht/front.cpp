// SPDX-License-Identifier: Apache-2.0
#include "dht/front.hpp"

#include <algorithm>
#include <cassert>

#include "dht/krpc_fast.hpp"
#include "dht/reception.hpp"
#include "dht/secret.hpp"

namespace lodestone::dht {
namespace {

/// Nothing is stored here.
NodeConfig front_config(NodeConfig config, const NodeId& id) {
  config.id = id;
  config.introducer_memory = {};
  config.announced = nullptr;
  return config;
}

bool asks_for(const krpc::Query& query, Family family) { return family == Family::v4 ? query.want_v4 : query.want_v6; }

Family other_than(Family family) { return family == Family::v4 ? Family::v6 : Family::v4; }

}  // namespace

Front::Front(Instant now, const NodeConfig& config, const News& news, const HashFilter& announced, bool both_families,
             wire::Rng rng, wire::MutableBytes memory)
    : config_(front_config(config, news.id)),
      announced_(announced),
      both_families_(both_families),
      rng_(rng),
      guard_(config_.family, config_.policy, config_.ours),
      throttle_(now, rates_of(config_), rng_),
      responder_(now, config_, rng_),
      no_table_(now, config_.family, config_.id, config_.limits.k, !config_.private_net),
      names_(config_.family, config_.private_net, random_secret(rng_)),
      own_memory_(memory.empty() ? bytes_for(config_.limits) : 0),
      visitors_(now, config_.limits.visitors, memory.empty() ? wire::MutableBytes{own_memory_} : memory) {
  assert(config_.limits.visitors >= 1);
  hear(news);
}

Front::~Front() = default;

void Front::hear(const News& news) {
  if (news.id != config_.id) responder_.move_to(news.id);
  config_.id = news.id;
  responder_.adopt(news.tokens);
  young_ = news.young;
}

void Front::deal(Instant at, Family family, Bytes contacts) {
  Hand& hand = hand_of(family);
  hand.dealt = at;
  const std::size_t stride = Contact::compact_size(family);
  hand.count = std::min(contacts.size() / stride, kHand);
  hand.next = 0;
  hand.spent = false;
  std::copy_n(contacts.begin(), static_cast<std::ptrdiff_t>(hand.count * stride), hand.contacts.begin());
}

void Front::expect(std::span<const Endpoint> sources) {
  expected_.expect(sources, names_);
  expected_.for_each([&](AddressNames::Name name) { visitors_.prefetch(name); });
}

void Front::foresee(Bytes datagram) const {
  if (const std::uint8_t* info_hash = krpc::likely_info_hash(datagram)) announced_.prefetch(info_hash);
}

Front::Fate Front::receive(Instant now, const Endpoint& from, Bytes datagram, wire::DatagramBatch& out,
                           std::vector<Stranger>& strangers) {
  if (krpc::looks_like_reply(datagram)) return Fate::for_the_node;
  if (!guard_.allows(from)) {
    ++counters_.datagrams_in;
    ++counters_.refused_source;
    return Fate::done;
  }
  const Throttle::Visit visit = throttle_.visit(now, from.address);
  if (!admitted(throttle_.judge(now, visit), counters_)) {
    ++counters_.datagrams_in;
    return Fate::done;
  }
  const auto message = decoder_.decode(datagram);
  const auto* query = message ? std::get_if<krpc::Query>(&message->body) : nullptr;
  // What may not be charged to who is named as its source, and what costs more than an answer, is not judged here.
  if (message && (query == nullptr || !can_answer(now, *query))) return Fate::for_the_node;
  ++counters_.datagrams_in;
  const bool let_in = admitted(throttle_.charge(now, visit), counters_);
  if (!message) {
    ++counters_.malformed_in;
    counters_.malformed_queries += message.error().code != 0;
    if (!let_in || message.error().code == 0) return Fate::done;
    answer_within(now, throttle_, visit, datagram.size(), out, counters_, [&](std::size_t room) {
      responder_.refuse(from, message.error(), room, out, counters_);
      return false;
    });
  } else if (let_in) {
    answer(now, from, *message, *query, visit, datagram.size(), out, strangers);
  }
  return Fate::done;
}

bool Front::can_answer(Instant now, const krpc::Query& query) const {
  using krpc::Method;
  if (query.method == Method::ping) return true;
  if (query.method != Method::find_node && query.method != Method::get_peers) return false;
  if (!suffices(now, own_)) return false;
  if (both_families_ && asks_for(query, other_than(config_.family)) && !suffices(now, other_)) return false;
  if (query.method == Method::find_node) return true;
  return !announced_.full() && !announced_.may_have(query.target) && responder_.tokens().fresh(now);
}

void Front::answer(Instant now, const Endpoint& from, const krpc::Message& message, const krpc::Query& query,
                   const Throttle::Visit& visit, std::size_t received, wire::DatagramBatch& out,
                   std::vector<Stranger>& strangers) {
  ++counters_.queries_in;
  const bool wants_nodes = query.method != krpc::Method::ping;
  const std::size_t wanted = visited(now, {query.id, from}, query.read_only, wants_nodes, strangers);
  const Family other_family = other_than(config_.family);
  HandOut own, other;
  if (wants_nodes) {
    const bool asked = query.want_v4 || query.want_v6;
    if (!asked || asks_for(query, config_.family)) own = show(own_, config_.family, wanted, from);
    if (both_families_ && asks_for(query, other_family)) other = show(other_, other_family, wanted, from);
    counters_.nodes_handed += own.count() + other.count();
  }
  // The tables would help out with what is short of `wanted`: here it is one less, where the asker himself was left
  // out.
  const Responder::Tables tables{no_table_, both_families_ ? &no_table_ : nullptr, own.contacts(), other.contacts(),
                                 wanted};
  answer_within(now, throttle_, visit, received, out, counters_, [&](std::size_t room) {
    return responder_.answer(now, from, message.transaction, query, room, tables, rng_, out, counters_);
  });
}

std::size_t Front::visited(Instant now, const Contact& visitor, bool read_only, bool wants_nodes,
                           std::vector<Stranger>& strangers) {
  const AddressNames::Name name = expected_.of(visitor.endpoint, names_);
  const auto last = visitors_.last(now, name);
  const bool again = last && last->served && last->ago < Introducer::kRevisit;
  visitors_.visit(now, name, again || wants_nodes);
  if (!last || last->ago >= Visitors::kGrain) strangers.push_back({visitor, read_only, wants_nodes});
  if (!wants_nodes) return 0;
  const bool few = again && !young_;
  ++(few ? counters_.served_again : counters_.served);
  return few ? Introducer::kHandAgain : Introducer::kHandOut;
}

HandOut Front::show(Hand& hand, Family family, std::size_t n, const Endpoint& asker) {
  const std::size_t stride = Contact::compact_size(family);
  n = std::min(n, hand.count);
  if (hand.next + n > hand.count) {
    hand.next = 0;
    hand.spent = true;
  }
  const HandOut shown(family, Bytes{hand.contacts}.subspan(hand.next * stride, n * stride), {}, asker);
  hand.next += n;
  hand.spent = hand.spent || hand.next == hand.count;
  return shown;
}

}  // namespace lodestone::dht
