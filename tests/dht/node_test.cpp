// SPDX-License-Identifier: Apache-2.0
// One Node, and the test as everybody else: what replies and strangers may do to it.
#include "dht/node.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "dht/krpc.hpp"
#include "dht/node_id_security.hpp"

using namespace lodestone;
using namespace std::chrono_literals;
using wire::Endpoint;

namespace {

constexpr wire::Instant kStart{1h};

struct Bench {
  explicit Bench(dht::NodeConfig config = {}) {
    config.policy.allow(wire::AddressKind::global);
    config.id = rng.id<wire::NodeId>();
    node = std::make_unique<dht::Node>(kStart, config, wire::Rng::from_number(5));
  }
  struct Sent {
    Endpoint to;
    wire::ByteVector transaction;
    dht::krpc::Query query;  // its views are gone
  };
  /// The queries in what the node just did.
  std::vector<Sent> queries() {
    std::vector<Sent> out;
    for (const auto& e : now_out.datagrams.entries()) {
      const auto m = decoder.decode(now_out.datagrams.payload(e));
      if (const auto* q = std::get_if<dht::krpc::Query>(&m->body)) {
        out.push_back({e.to, {m->transaction.begin(), m->transaction.end()}, *q});
      }
    }
    for (const auto& e : now_out.events) events.push_back(e);
    now_out.clear();
    return out;
  }
  void reply(const Sent& to, const wire::NodeId& id, std::optional<Endpoint> from = std::nullopt) {
    std::uint8_t room[512];
    const auto n = dht::krpc::encode_reply(room, to.transaction, "XX", {id, {}, {}, {}, {}, {}});
    node->receive(now, from.value_or(to.to), {room, n}, now_out);
  }
  /// Lets time pass; friends answer, with nothing to tell. Returns all queries that the node sent meanwhile.
  std::vector<Sent> advance(wire::Duration d) {
    const auto end = now + d;
    std::vector<Sent> out;
    while (node->next_deadline() <= end) {
      now = std::max(now, node->next_deadline());
      node->advance(now, now_out);
      node->check_invariants();
      for (auto sent = queries(); !sent.empty(); sent = queries()) {
        for (auto& q : sent) {
          if (const auto f = friends.find(q.to); f != friends.end()) reply(q, f->second);
          out.push_back(std::move(q));
        }
      }
    }
    now = end;
    return out;
  }
  void stranger(const Endpoint& from, const wire::NodeId& id) {
    const std::string raw = "d1:ad2:id20:" + std::string{wire::as_text(id.view())} + "e1:q4:ping1:t2:aa1:y1:qe";
    node->receive(now, from, wire::as_bytes(raw), now_out);
    queries();
  }
  /// A contact in the table, the usual way.
  void befriend(const Endpoint& e, const wire::NodeId& id) {
    friends[e] = id;
    stranger(e, id);
    advance(1s);
  }
  Endpoint fresh() { return {wire::Address::v4(0x0b000001u + (++serial << 8)), 6881}; }

  wire::Rng rng = wire::Rng::from_number(4);
  std::unique_ptr<dht::Node> node;
  wire::Instant now = kStart;
  dht::Output now_out;
  std::vector<dht::Event> events;
  std::map<Endpoint, wire::NodeId> friends;
  dht::krpc::Decoder decoder;
  std::uint32_t serial = 0;
};

}  // namespace

TEST_CASE("a node takes over what somebody vouches for, and asks the oldest first") {
  Bench bench;
  // As old as its start, so that their ages can be told.
  const wire::Instant now = kStart + 1h;
  std::vector<dht::KnownContact> known;
  for (std::uint8_t i = 0; i < 40; ++i) {
    known.push_back({bench.rng.id<wire::NodeId>(), {wire::Address::v4(30, i, 0, 1), 6'881}, i * 30s, 50ms});
  }
  known.push_back({bench.rng.id<wire::NodeId>(), {wire::Address::v4(127, 0, 0, 1), 6'881}, 1s, 1ms});  // S5
  bench.node->assume(now, known);
  CHECK(bench.node->table_size() == 40);
  CHECK(bench.node->ever_answered());
  bench.node->check_invariants();
  const dht::Snapshot saved = bench.node->snapshot(100'000, now);
  for (const dht::SavedContact& c : saved.contacts) {
    const auto at = std::find_if(known.begin(), known.end(), [&](const auto& k) { return k.id == c.id; });
    REQUIRE(at != known.end());
    CHECK(c.last_seen == 100'000 - std::chrono::duration_cast<std::chrono::seconds>(at->age).count());
    CHECK(c.rtt == 50ms);
  }
  CHECK(bench.node->next_deadline() <= now);
  bench.node->advance(now, bench.now_out);
  const auto sent = bench.queries();
  // No join; one of those older than the refresh period, or a lookup into a bucket.
  REQUIRE_FALSE(sent.empty());
  CHECK(sent.front().query.method == dht::krpc::Method::find_node);
  CHECK(sent.size() <= 6);
}

TEST_CASE("T1 the id follows at once from where the operator says we are, unless it fits already") {
  const Endpoint said{wire::Address::v4(45, 0, 0, 1), 6'881};
  dht::NodeConfig config;
  config.external = said;
  const Bench fresh(config);
  CHECK(dht::id_matches(fresh.node->id(), said.address));
  CHECK(fresh.node->external() == said);
  config.id = fresh.node->id();
  CHECK(dht::Node(kStart, config, wire::Rng::from_number(77)).id() == fresh.node->id());
  config.external->address = wire::Address::v4(46, 0, 0, 1);
  const dht::Node moved(kStart, config, wire::Rng::from_number(78));
  CHECK(moved.id() != fresh.node->id());
  CHECK(dht::id_matches(moved.id(), config.external->address));
}

TEST_CASE("L5 a reply from elsewhere, with another transaction id, or a second time is stray") {
  Bench b;
  const auto e = b.fresh();
  const auto id = b.rng.id<wire::NodeId>();
  b.node->ping(b.now, e, b.now_out);
  auto sent = b.queries().at(0);
  b.reply(sent, id, b.fresh());
  b.reply(sent, id, Endpoint{e.address, 6882});
  auto wrong = sent;
  wrong.transaction[0] ^= 1;
  b.reply(wrong, id);
  wrong.transaction = {1, 2};
  b.reply(wrong, id);
  CHECK(b.node->counters().stray_replies == 4);
  CHECK(b.node->table_size() == 0);
  b.reply(sent, id);
  CHECK(b.node->table_size() == 1);
  b.reply(sent, id);
  CHECK(b.node->counters().stray_replies == 5);
  CHECK(b.node->counters().replies_in == 1);
}

TEST_CASE("L5 a reply later than the last deadline is stray") {
  Bench b;
  b.node->ping(b.now, b.fresh(), b.now_out);
  const auto sent = b.queries().at(0);
  b.advance(11s);
  b.reply(sent, b.rng.id<wire::NodeId>());
  CHECK(b.node->counters().stray_replies == 1);
  CHECK(b.node->counters().timeouts == 1);
}

TEST_CASE("L6 a reply whose id is not the one expected evicts that contact") {
  Bench b;
  const auto e = b.fresh();
  const auto id = b.rng.id<wire::NodeId>();
  b.befriend(e, id);
  REQUIRE(b.node->table_size() == 1);
  b.queries();
  b.node->find_node(b.now, b.rng.id<wire::Key>(), b.now_out);
  const auto sent = b.queries();
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].to == e);
  b.reply(sent[0], b.rng.id<wire::NodeId>());
  CHECK(b.node->table_size() == 0);
  CHECK(b.node->counters().evicted == 1);
  CHECK(b.node->counters().evicted_impostor == 1);
}

TEST_CASE("L6 a node that answers under ever new ids is not asked again and again") {
  Bench b;
  const auto liar = b.fresh();
  b.stranger(liar, b.rng.id<wire::NodeId>());
  std::size_t asked = 0;
  for (int i = 0; i < 200; ++i) {
    for (const auto& q : b.advance(100ms)) {
      if (q.to != liar) continue;
      ++asked;
      b.reply(q, b.rng.id<wire::NodeId>());
    }
  }
  CHECK(asked == 1);  // in 20 s
  CHECK(b.node->table_size() == 0);
  // One that was started again is a stranger like any other, later.
  b.advance(30s);
  b.befriend(liar, b.rng.id<wire::NodeId>());
  CHECK(b.node->table_size() == 1);
}

TEST_CASE("L6 an error reply means alive") {
  Bench b;
  const auto e = b.fresh();
  b.befriend(e, b.rng.id<wire::NodeId>());
  for (int i = 0; i < 3; ++i) {
    b.queries();
    b.node->find_node(b.now, b.rng.id<wire::Key>(), b.now_out);
    for (const auto& q : b.queries()) {
      std::uint8_t room[256];
      const auto n = dht::krpc::encode_error(room, q.transaction, "", 202, "busy");
      b.node->receive(b.now, q.to, {room, n}, b.now_out);
    }
    b.advance(20s);
  }
  CHECK(b.node->table_size() == 1);
  CHECK(b.node->counters().errors_in == 3);
}

TEST_CASE("T2 a stranger is asked at once while the table is young, within the rate, and enters by answering") {
  Bench b;
  for (int i = 0; i < 100; ++i) b.stranger(b.fresh(), b.rng.id<wire::NodeId>());
  CHECK(b.node->table_size() == 0);
  const auto sent = b.advance(1s);
  CHECK(sent.size() >= 45);
  CHECK(sent.size() <= 52);
  for (const auto& q : sent) CHECK(q.query.method == dht::krpc::Method::find_node);
  b.reply(sent[0], b.rng.id<wire::NodeId>());  // not who it said it was
  CHECK(b.node->table_size() == 0);
}

TEST_CASE("T2 once 64 are held a stranger is verified 90 s to 15 min later") {
  Bench b;
  while (b.node->table_size() < 64) b.befriend(b.fresh(), b.rng.id<wire::NodeId>());
  b.advance(30s);
  const auto e = b.fresh();
  b.stranger(e, b.rng.id<wire::NodeId>());
  const auto asked = [&](wire::Duration d) {
    for (const auto& q : b.advance(d))
      if (q.to == e) return true;
    return false;
  };
  CHECK_FALSE(asked(89s));
  CHECK(asked(15min - 89s + 2s));
}

TEST_CASE("T7 a stranger that says it is read-only is not asked") {
  Bench b;
  const std::string raw = "d1:ad2:id20:abcdefghij0123456789e1:q4:ping2:roi1e1:t2:aa1:y1:qe";
  b.node->receive(b.now, b.fresh(), wire::as_bytes(raw), b.now_out);
  b.queries();
  CHECK(b.advance(1h).empty());
  CHECK(b.node->counters().strangers_read_only == 1);
}

TEST_CASE("S5 nobody outside the policy is asked, whoever named them") {
  Bench b;
  const std::vector<Endpoint> bad{*Endpoint::parse("127.0.0.1:6881"), *Endpoint::parse("10.0.0.1:6881"),
                                  *Endpoint::parse("224.0.0.1:6881"), *Endpoint::parse("[2606:4700::1]:6881"),
                                  *Endpoint::parse("12.0.0.1:0")};
  b.node->add_introducers(b.now, bad, b.now_out);
  for (const auto& e : bad) b.node->ping(b.now, e, b.now_out);
  dht::Snapshot saved;
  for (const auto& e : bad) saved.contacts.push_back({b.rng.id<wire::NodeId>(), e, 1});
  b.node->restore(b.now, saved, b.now_out);
  CHECK(b.queries().empty());
  CHECK(b.advance(1h).empty());
  int unanswered = 0;
  for (const auto& e : b.events)
    if (const auto* done = std::get_if<dht::event::QueryDone>(&e)) unanswered += !done->answered;
  CHECK(unanswered == 5);
  CHECK(b.node->counters().refused_destination == 10);
}

TEST_CASE("T9 introducers are asked for our own id, all at once, and again later") {
  Bench b;
  const std::vector<Endpoint> introducers{b.fresh(), b.fresh(), b.fresh()};
  b.node->add_introducers(b.now, introducers, b.now_out);
  const auto sent = b.queries();
  CHECK(sent.size() == 3);
  for (const auto& q : sent) {
    CHECK(q.query.method == dht::krpc::Method::find_node);
    CHECK(q.query.target.bytes() == b.node->id().bytes());
  }
  CHECK(b.advance(10s).size() >= 3);
  b.advance(5s);
  CHECK(b.node->counters().introducers_silent >= 3);
}

TEST_CASE("T9 an introducer starts no join while the table has enough") {
  // Peers send PORT as often as they like.
  Bench b;
  for (int i = 0; i < 10; ++i) b.befriend(b.fresh(), b.rng.id<wire::NodeId>());
  b.advance(1min);
  REQUIRE(b.node->table_size() == 10);
  const auto before = b.node->counters().queries_out;
  for (int i = 0; i < 100; ++i) {
    const Endpoint e = b.fresh();
    b.node->add_introducers(b.now, {&e, 1}, b.now_out);
    b.queries();
  }
  b.advance(5s);
  CHECK(b.node->counters().queries_out - before <= 2);
}

TEST_CASE("L6 an error reply does not put its sender into another contact's place") {
  Bench b;
  const auto a = b.fresh();
  const auto x = b.rng.id<wire::NodeId>();
  const auto helper = b.fresh();
  b.befriend(a, x);
  b.befriend(helper, b.rng.id<wire::NodeId>());
  b.friends.erase(a);
  b.node->find_node(b.now, wire::Key{x.bytes()}, b.now_out);
  const auto first = b.queries();
  for (const auto& q : first)
    if (q.to == helper) b.reply(q, b.friends.at(helper));
  b.advance(10s + 100ms);  // one failure
  REQUIRE(b.node->table_size() == 2);
  b.node->find_node(b.now, wire::Key{x.bytes()}, b.now_out);
  // The helper names a liar for it, who answers with an error.
  const auto liar = b.fresh();
  for (const auto& q : b.queries()) {
    if (q.to != helper) continue;
    const dht::CompactContact named{{x, liar}};
    std::uint8_t room[512];
    const auto n = dht::krpc::encode_reply(
        room, q.transaction, "XX", {b.friends.at(helper), {}, wire::Family::v4, wire::Bytes{named.data(), 26}, {}, {}});
    b.node->receive(b.now, q.to, {room, n}, b.now_out);
  }
  int asked = 0;
  for (const auto& q : b.queries()) {
    if (q.to != liar) continue;
    ++asked;
    std::uint8_t room[256];
    const auto n = dht::krpc::encode_error(room, q.transaction, "", 202, "busy");
    b.node->receive(b.now, q.to, {room, n}, b.now_out);
  }
  REQUIRE(asked == 1);
  for (const auto& entry : b.node->closest(wire::Key{x.bytes()}, 8)) CHECK(entry.endpoint != liar);
}

TEST_CASE("lookups beyond the limit wait in line and run in turn, also after a cancel") {
  dht::NodeConfig config;
  config.limits.max_lookups = 2;
  Bench b{config};
  b.befriend(b.fresh(), b.rng.id<wire::NodeId>());
  b.advance(1min);
  b.friends.clear();
  std::vector<dht::LookupId> ids;
  for (int i = 0; i < 5; ++i) ids.push_back(b.node->find_node(b.now, b.rng.id<wire::Key>(), b.now_out));
  CHECK(b.queries().size() == 2);
  b.node->cancel(ids[0]);
  b.node->cancel(ids[4]);
  CHECK(b.node->next_deadline() <= b.now);
  b.node->advance(b.now, b.now_out);
  CHECK(b.queries().size() == 1);
  b.events.clear();
  b.advance(1min);
  std::vector<dht::LookupId> done;
  for (const auto& e : b.events)
    if (const auto* d = std::get_if<dht::event::LookupDone>(&e)) done.push_back(d->lookup);
  CHECK(done.size() <= 3);  // the contact never answered and was dropped: the last one waits for another
  // These two ran side by side and were given up in the same moment.
  REQUIRE(done.size() >= 2);
  CHECK(std::is_permutation(done.begin(), done.begin() + 2, ids.begin() + 1));
}

TEST_CASE("a full rpc table delays a lookup and does not break it") {
  dht::NodeConfig config;
  config.limits.max_outstanding = 2;
  Bench b{config};
  for (int i = 0; i < 6; ++i) b.befriend(b.fresh(), b.rng.id<wire::NodeId>());
  b.advance(1min);
  REQUIRE(b.node->table_size() == 6);
  b.queries();
  b.events.clear();
  const auto id = b.node->find_node(b.now, b.rng.id<wire::Key>(), b.now_out);
  std::size_t asked = b.queries().size();
  CHECK(asked <= 2);
  for (int i = 0; i < 60; ++i) asked += b.advance(1s).size();
  bool done = false;
  for (const auto& e : b.events)
    if (const auto* d = std::get_if<dht::event::LookupDone>(&e))
      done = done || (d->lookup == id && d->stats.asked == 6);
  CHECK(done);
}

TEST_CASE("a snapshot says what programs the contacts are, and what the run has counted") {
  Bench b;
  const auto e = b.fresh();
  const auto id = b.rng.id<wire::NodeId>();
  b.befriend(e, id);
  b.node->receive(b.now, e, wire::as_bytes("garbage"), b.now_out);
  b.now = kStart + 100s;
  const dht::Snapshot saved = b.node->snapshot(5'000, b.now);
  REQUIRE(saved.contacts.size() == 1);
  CHECK(dht::said(saved.contacts[0].version) == "XX");
  REQUIRE(saved.run);
  CHECK(saved.run->since == 4'900);
  CHECK(saved.run->counters.malformed_in == 1);
  CHECK(saved.run->counters.malformed_queries == 0);
  CHECK(saved.run->counters.queries_out == b.node->counters().queries_out);
}

TEST_CASE("T4 strangers beside a contact are not met, and counted") {
  Bench b;
  const auto e = b.fresh();
  b.befriend(e, b.rng.id<wire::NodeId>());
  const Endpoint beside{e.address, 7'000};
  b.stranger(beside, b.rng.id<wire::NodeId>());
  CHECK(b.node->counters().strangers_crowded == 1);
  for (const auto& q : b.advance(2s)) CHECK(q.to != beside);
  b.stranger(e, b.friends.at(e));  // one that is here
  CHECK(b.node->counters().strangers_crowded == 1);
  CHECK(b.node->counters().strangers_unwanted == 0);
}

TEST_CASE("a lookup that nobody answers is counted, with its queries by how late they are") {
  Bench b;
  const auto e = b.fresh();
  b.befriend(e, b.rng.id<wire::NodeId>());
  b.friends.clear();
  b.node->find_node(b.now, b.rng.id<wire::Key>(), b.now_out);
  b.queries();
  b.advance(15s);
  CHECK(b.node->counters().lookups_done == 1);
  CHECK(b.node->counters().lookups_unanswered == 1);
  CHECK(b.node->counters().queries_slow >= 1);
  CHECK(b.node->counters().queries_overdue >= 1);
  CHECK(b.node->counters().timeouts >= 1);
}

TEST_CASE("a reply under our own id is counted and teaches nothing") {
  Bench b;
  b.node->ping(b.now, b.fresh(), b.now_out);
  const auto sent = b.queries().at(0);
  b.reply(sent, b.node->id());
  CHECK(b.node->counters().replies_own_id == 1);
  CHECK(b.node->table_size() == 0);
}
