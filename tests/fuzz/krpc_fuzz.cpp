// SPDX-License-Identifier: Apache-2.0
// Any bytes through the KRPC decoder. What it accepts must keep its promises: every view lies inside the input, and a
// reply or query can be walked to its end. A Decoder that has seen other inputs must say the same as a fresh one.
#include <cstdint>

#include "dht/krpc.hpp"
#include "tests/support/byte_script.hpp"

namespace {

using namespace lodestone;
using test::require;

bool inside(wire::Bytes part, wire::Bytes whole) {
  return part.empty() || (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void walk(const dht::krpc::Reply& r, wire::Bytes input) {
  require(inside(r.nodes, input) && inside(r.nodes6, input) && inside(r.token, input));
  require(inside(r.value, input) && inside(r.samples.value_or(wire::Bytes{}), input));
  for (const wire::Bytes filter : {r.seeds_filter, r.peers_filter}) {
    require(inside(filter, input) && (filter.empty() || filter.size() == 256));
  }
  if (const auto item = r.item({})) {
    require(inside(item->value, input) && !item->value.empty());
    require(item->signed_by.has_value() == !r.key.empty());
  }
  std::size_t contacts = 0;
  dht::for_each_contact(r.nodes, wire::Family::v4, 32, [&](const dht::Contact& c) {
    ++contacts;
    require(c.endpoint.family() == wire::Family::v4);
  });
  dht::for_each_contact(r.nodes6, wire::Family::v6, 32, [&](const dht::Contact& c) {
    ++contacts;
    require(c.endpoint.family() == wire::Family::v6);
  });
  require(contacts <= 64);
  if (!r.values) return;
  for (const auto item : *r.values) require(inside(item.raw(), input));
}

void check(const dht::krpc::Message& m, wire::Bytes input) {
  require(inside(m.transaction, input) && inside(m.version, input));
  if (const auto* q = std::get_if<dht::krpc::Query>(&m.body)) {
    require(inside(q->token, input));
    require(inside(q->value, input) && inside(q->key, input) && inside(q->signature, input) && inside(q->salt, input));
    if (q->method == dht::krpc::Method::put) {
      require(!q->value.empty() && !q->token.empty());
      if (!q->key.empty()) require(q->key.size() == 32 && q->signature.size() == 64 && q->seq);
    }
    if (q->method == dht::krpc::Method::announce_peer) require(q->port != 0 || q->implied_port);
    // What it asks for can be answered, within the bounds that the caller gave.
    std::uint8_t room[1'024];
    const dht::krpc::ReplyBody body{q->id, {wire::Address::v4(1, 2, 3, 4), 5}, wire::Family::v4, {}, q->token, {}};
    require(dht::krpc::encode_reply(room, m.transaction, "LD", body) <= sizeof room);
  } else if (const auto* r = std::get_if<dht::krpc::Reply>(&m.body)) {
    walk(*r, input);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static dht::krpc::Decoder reused;
  const wire::Bytes input{data, size};
  dht::krpc::Decoder fresh;
  const auto a = reused.decode(input);
  const auto b = fresh.decode(input);
  require(a.has_value() == b.has_value());
  if (a) {
    require(a->body.index() == b->body.index());
    check(*a, input);
  } else {
    require(a.error().code == b.error().code && inside(a.error().transaction, input));
  }
  return 0;
}
