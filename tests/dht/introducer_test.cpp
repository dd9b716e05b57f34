// SPDX-License-Identifier: Apache-2.0
// A bootstrap node, and the test as all newcomers.
#include "dht/introducer.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "dht/node_id_security.hpp"

using namespace lodestone;
using namespace std::chrono_literals;
using wire::Address;
using wire::Endpoint;
using wire::Family;

namespace {

constexpr wire::Instant kStart{1h};

dht::Limits small(std::size_t early_ring) {
  dht::Limits l = dht::Limits::bootstrap();
  l.ring_size = 4'000;
  l.ping_queue = 4'000;
  l.visitors = 4'000;
  l.early_ring = early_ring;
  return l;
}

struct Bench {
  explicit Bench(std::size_t early_ring = 1'000, Family f = Family::v4) : family(f) {
    dht::NodeConfig config;
    config.family = family;
    config.limits = small(early_ring);
    config.policy.allow(wire::AddressKind::global);
    config.id = rng.id<wire::NodeId>();
    node = std::make_unique<dht::Node>(kStart, config, wire::Rng::from_number(5));
  }

  Endpoint fresh() {
    const std::uint32_t n = ++serial;
    if (family == Family::v4) return {Address::v4((11 + n % 80) << 24 | n << 8 | 1), 6881};
    std::array<std::uint8_t, 16> raw{0x26, static_cast<std::uint8_t>(n % 200)};
    wire::store_be32(raw.data() + 2, n);
    return {Address::v6(raw), 6881};
  }
  /// One that answers; not in the ring yet.
  Endpoint somebody() {
    const Endpoint e = fresh();
    there[e] = dht::derive_id(e.address, rng);
    return e;
  }
  /// What came out: pings are answered by who is there; of the rest the last reply is kept.
  void deliver() {
    while (!out.datagrams.empty()) {
      const dht::Output sent = std::exchange(out, {});
      for (const auto& entry : sent.datagrams.entries()) {
        const auto message = decoder.decode(sent.datagrams.payload(entry));
        REQUIRE(message);
        if (const auto* reply = std::get_if<dht::krpc::Reply>(&message->body)) {
          nodes.clear();
          nodes6.clear();
          dht::for_each_contact(reply->nodes, Family::v4, 100, [&](const auto& c) { nodes.push_back(c); });
          dht::for_each_contact(reply->nodes6, Family::v6, 100, [&](const auto& c) { nodes6.push_back(c); });
          external = reply->external;
          replied = true;
          continue;
        }
        const auto* query = std::get_if<dht::krpc::Query>(&message->body);
        if (query == nullptr) continue;
        if (query->method != dht::krpc::Method::ping) continue;  // upkeep of its table is met with silence here
        ++pings[entry.to];
        last_transaction.assign(message->transaction.begin(), message->transaction.end());
        const auto who = there.find(entry.to);
        if (who != there.end()) pong(entry.to, who->second, message->transaction);
      }
    }
  }
  void pong(const Endpoint& from, const wire::NodeId& id, wire::Bytes transaction) {
    std::uint8_t room[256];
    const auto n = dht::krpc::encode_reply(room, transaction, "XX", {id, {}, {}, {}, {}, {}});
    node->receive(now, from, {room, n}, out);
  }
  /// Its reply is in `nodes`.
  void query(const Endpoint& from, const std::string& method = "find_node", const std::string& more = "",
             const dht::Node* sister = nullptr) {
    replied = false;
    const auto known = there.find(from);
    const auto id = known == there.end() ? rng.id<wire::NodeId>() : known->second;
    const std::string target(20, 'x');
    const std::string argument = method == "ping"        ? ""
                                 : method == "get_peers" ? "9:info_hash20:" + target
                                                         : "6:target20:" + target;
    const std::string raw = "d1:ad2:id20:" + std::string{wire::as_text(id.view())} + argument +
                            (method == "ping" || more == "ro" ? "" : more) + "e1:q" + std::to_string(method.size()) +
                            ":" + method + (more == "ro" ? "2:roi1e" : "") + "1:t2:aa1:y1:qe";
    node->receive(now, from, wire::as_bytes(raw), out, sister);
    deliver();
  }
  void advance(wire::Duration d) {
    const auto end = now + d;
    while (node->next_deadline() <= end) {
      now = std::max(now, node->next_deadline());
      node->advance(now, out);
      deliver();
    }
    now = end;
    node->check_invariants();
  }
  /// So many in the ring, in whatever way.
  std::vector<Endpoint> fill(std::size_t n) {
    std::vector<Endpoint> all;
    for (std::size_t i = 0; i < n; ++i) {
      all.push_back(somebody());
      query(all.back());
      advance(50ms);
    }
    advance(16min);
    REQUIRE(node->ring_size() == n);
    return all;
  }
  const dht::IntroducerCounters& counters() const { return node->counters(); }

  Family family;
  wire::Rng rng = wire::Rng::from_number(4);
  std::unique_ptr<dht::Node> node;
  wire::Instant now = kStart;
  dht::Output out;
  dht::krpc::Decoder decoder;
  std::map<Endpoint, wire::NodeId> there;
  std::map<Endpoint, int> pings;
  wire::ByteVector last_transaction;
  std::vector<dht::Contact> nodes, nodes6;
  std::optional<Endpoint> external;
  bool replied = false;
  std::uint32_t serial = 0;
};

std::set<Endpoint> endpoints(const std::vector<dht::Contact>& contacts) {
  std::set<Endpoint> out;
  for (const auto& c : contacts) out.insert(c.endpoint);
  return out;
}

}  // namespace

TEST_CASE("T2 the first who come to a fresh introducer are pinged at once and shown to the next") {
  Bench b;
  std::vector<Endpoint> all;
  for (int i = 0; i < 20; ++i) {
    all.push_back(b.somebody());
    b.query(all.back());
    CHECK(b.pings[all.back()] == 1);
    CHECK(b.replied);
    // Everybody before, as many as a reply has.
    CHECK(b.nodes.size() == static_cast<std::size_t>(std::min(i, 16)));
    CHECK_FALSE(endpoints(b.nodes).contains(all.back()));
  }
  CHECK(b.node->ring_size() == 20);
  CHECK(b.counters().added_early == 20);
  b.query(b.fresh());
  CHECK(b.nodes.size() == 16);
  CHECK(endpoints(b.nodes).size() == 16);
  for (const auto& c : b.nodes) CHECK(b.there.at(c.endpoint) == c.id);
}

TEST_CASE("T2 who asks a fresh introducer twice in a second waits for a ping later, too, if the early one is lost") {
  Bench b;
  const Endpoint deaf = b.fresh();
  b.query(deaf);
  CHECK(b.pings[deaf] == 1);
  CHECK(b.node->ping_queue() == 0);
  b.query(deaf);
  CHECK(b.pings[deaf] == 1);
  CHECK(b.node->ping_queue() == 1);
  b.there[deaf] = dht::derive_id(deaf.address, b.rng);
  b.advance(16min);
  CHECK(b.pings[deaf] >= 2);
  CHECK(b.node->ring_size() == 1);
}

TEST_CASE("T2 who entered early is asked again after 15 min, and is out if he does not answer") {
  Bench b;
  const Endpoint stays = b.somebody(), goes = b.somebody();
  b.query(stays);
  b.query(goes);
  REQUIRE(b.node->ring_size() == 2);
  b.there.erase(goes);
  b.advance(2min);
  CHECK(b.node->ring_size() == 2);
  b.advance(14min);
  // Somebody else must be heard, or it might be us (T5): the other one answers.
  CHECK(b.node->ring_size() == 1);
  CHECK(b.counters().silent == 1);
  CHECK(b.pings[goes] >= 3);
  CHECK(endpoints({dht::Contact::read_compact(b.node->ring().data(), Family::v4)}).contains(stays));
}

TEST_CASE("T2 whoever entered early is asked after 15 min, wherever in the ring he has come to be by then") {
  Bench b;
  std::vector<Endpoint> stay, go;
  for (int i = 0; i < 300; ++i) {
    auto& half = i % 2 == 0 ? stay : go;
    half.push_back(b.somebody());
    b.query(half.back());
    b.advance(100ms);
  }
  REQUIRE(b.node->ring_size() == 300);
  for (const Endpoint& e : go) b.there.erase(e);
  // Each that is thrown out has his place taken by the last. A round of so many takes 25 minutes.
  b.advance(16min);
  CHECK(b.node->ring_size() == stay.size());
  for (const Endpoint& e : stay) CHECK(b.pings[e] >= 2);
  for (const Endpoint& e : go) CHECK(b.pings[e] >= 3);
}

TEST_CASE("T2 who entered early and is here when he is to be asked is asked another 15 min later") {
  Bench b;
  for (int i = 0; i < 600; ++i) {
    b.query(b.somebody());
    b.advance(50ms);
  }
  const Endpoint goes = b.somebody();
  const auto id = b.there[goes];
  b.query(goes);
  REQUIRE(b.node->ring_size() == 601);
  b.there.erase(goes);
  b.advance(14min);
  b.query(goes);
  b.advance(2min);
  CHECK(b.pings[goes] == 1);
  CHECK(b.node->ring_size() == 601);
  b.there[goes] = id;  // now it is the pinhole that would answer
  b.advance(30s);
  CHECK(b.pings[goes] == 1);
  b.there.erase(goes);
  b.advance(14min);
  CHECK(b.pings[goes] == 3);
  CHECK(b.node->ring_size() == 600);
}

TEST_CASE("T2 who entered early and was not reachable does not enter early again") {
  Bench b;
  const Endpoint behind_nat = b.somebody(), other = b.somebody();
  const auto id = b.there[behind_nat];
  b.query(behind_nat);
  REQUIRE(b.node->ring_size() == 1);
  b.there.erase(behind_nat);
  b.query(other);
  b.advance(20min);
  REQUIRE(b.node->ring_size() == 1);
  for (int i = 0; i < 3; ++i) {
    b.there[behind_nat] = id;  // its pinhole is open
    b.query(behind_nat);
    b.advance(1min);
    b.there.erase(behind_nat);
    b.advance(20min);
    CHECK(b.node->ring_size() == 1);
  }
  // It may be reachable one day.
  b.query(behind_nat);
  b.there[behind_nat] = id;
  b.advance(20min);
  CHECK(b.node->ring_size() == 2);
}

TEST_CASE("T2 who is named by another introducer enters by answering, and is not asked again if he does not") {
  Bench b;
  const Endpoint there = b.somebody(), gone = b.fresh();
  for (int i = 0; i < 5; ++i) {
    b.node->suggest(b.now, there, b.out);
    b.node->suggest(b.now, gone, b.out);
    b.deliver();
    b.advance(1s);
  }
  CHECK(b.node->ring_size() == 1);
  CHECK(b.counters().added == 1);  // nobody has opened a pinhole for us: that he can be reached is proven
  CHECK(b.pings[gone] == 1);
  // He may come by himself, and wait like others.
  b.there[gone] = dht::derive_id(gone.address, b.rng);
  b.query(gone);
  CHECK(b.node->ring_size() == 1);
  b.advance(20min);
  CHECK(b.node->ring_size() == 2);
}

TEST_CASE("T2 at most 50 newcomers a second are pinged at once, the others wait") {
  Bench b;
  for (int i = 0; i < 200; ++i) b.query(b.somebody());
  CHECK(b.counters().pings_early == 50);
  CHECK(b.node->ping_queue() == 200);  // those who are in early as well: they are asked again
  b.advance(1s);
  for (int i = 0; i < 200; ++i) b.query(b.somebody());
  CHECK(b.counters().pings_early == 100);
  b.advance(16min);
  CHECK(b.node->ring_size() == 400);
  CHECK(b.counters().added == 300);
}

TEST_CASE("T2 a newcomer to a grown ring is pinged when his pinhole has closed, once however often he asked") {
  Bench b{0};
  const Endpoint one = b.somebody(), silent = b.fresh();
  b.query(one);
  b.query(silent);
  b.query(silent, "ping");
  b.advance(20s);
  b.query(one, "get_peers");
  b.query(one);
  CHECK(b.node->ping_queue() == 2);
  CHECK(b.counters().queued_already == 1);  // asked again at once they are not even looked for
  b.advance(15min - 21s);
  CHECK(b.pings.empty());
  b.advance(10s);
  CHECK(b.pings[one] >= 1);
  CHECK(b.pings[silent] == 1);
  CHECK(b.node->ring_size() == 1);
  b.advance(1h);
  CHECK(b.pings[silent] == 1);
  CHECK(b.node->ping_queue() == 0);
}

TEST_CASE("T2 an answer proves nothing while the pinhole may be open") {
  Bench b{0};
  const Endpoint e = b.somebody();
  b.query(e);
  b.advance(14min);
  b.query(e);  // opens it again
  b.advance(2min);
  CHECK(b.pings[e] == 0);
  CHECK(b.counters().postponed == 1);
  CHECK(b.node->ring_size() == 0);
  b.advance(15min);
  CHECK(b.pings[e] >= 1);
  CHECK(b.node->ring_size() == 1);
}

TEST_CASE("whom an introducer was told to expect changes nothing of what becomes of those who come") {
  // The same visitors, expected in their order, in another one, or not at all; some of them are somebody else.
  const auto run = [](int how) {
    Bench b{0};
    std::vector<Endpoint> all;
    for (int i = 0; i < 40; ++i) all.push_back(b.somebody());
    std::vector<Endpoint> expected = all;
    if (how == 2) std::reverse(expected.begin(), expected.end());
    if (how == 3) expected.erase(expected.begin(), expected.begin() + 7);
    if (how != 0) b.node->expect(b.now, expected);
    for (int i = 0; i < 40; i += how == 4 ? 1 : 3) b.query(all[static_cast<std::size_t>(i)]);
    b.advance(16min);
    return std::pair{b.pings, b.node->ring_size()};
  };
  const auto [pings, size] = run(0);
  CHECK(size == 14);
  for (const int how : {1, 2, 3}) {
    const auto [p, s] = run(how);
    CHECK(p == pings);
    CHECK(s == size);
  }
  CHECK(run(4).second == 40);
}

TEST_CASE("T7 read-only nodes are answered, never pinged and never handed out") {
  for (const std::size_t early : {0u, 1'000u}) {
    Bench b{early};
    const Endpoint e = b.somebody();
    b.query(e, "find_node", "ro");
    CHECK(b.replied);
    b.advance(20min);
    CHECK(b.pings.empty());
    CHECK(b.node->ring_size() == 0);
    CHECK(b.node->ping_queue() == 0);
  }
}

TEST_CASE("S5 reserved addresses and port 0 get no answer, no ping and no place") {
  Bench b;
  for (const Endpoint& e : {Endpoint{Address::v4(127, 0, 0, 1), 6881}, Endpoint{Address::v4(10, 0, 0, 1), 6881},
                            Endpoint{Address::v4(224, 0, 0, 1), 6881}, Endpoint{Address::v4(100, 64, 0, 1), 6881},
                            Endpoint{Address::v4(11, 0, 0, 1), 0}}) {
    b.there[e] = b.rng.id<wire::NodeId>();
    b.query(e);
    CHECK_FALSE(b.replied);
  }
  CHECK(b.node->counters().refused_source == 5);
  b.advance(20min);
  CHECK(b.pings.empty());
  CHECK(b.node->ring_size() == 0);
  // Nor from a file.
  wire::ByteVector file(26);
  dht::Contact{b.rng.id<wire::NodeId>(), {Address::v4(127, 0, 0, 1), 6881}}.write_compact(file.data());
  b.node->restore_ring(file);
  CHECK(b.node->ring_size() == 0);
}

TEST_CASE("who has had nodes within ten minutes is given three, of a grown ring") {
  Bench b{0};
  b.fill(100);
  const Endpoint e = b.fresh();
  b.query(e, "ping");  // nothing was handed out
  b.query(e);
  CHECK(b.nodes.size() == 16);
  CHECK(b.external == e);
  for (const char* method : {"find_node", "get_peers", "sample_infohashes"}) {
    b.query(e, method);
    CHECK(b.nodes.size() == 3);
  }
  b.advance(9min);
  b.query(e);
  CHECK(b.nodes.size() == 3);
  b.query(b.fresh());
  CHECK(b.nodes.size() == 16);
  b.advance(11min);
  b.query(e);
  CHECK(b.nodes.size() == 16);
  CHECK(b.counters().served_again == 4);
}

TEST_CASE("T8 one after the other is handed out another slice of the ring, whatever he looks for") {
  Bench b{0};
  b.fill(64);
  for (const char* method : {"find_node", "get_peers", "sample_infohashes"}) {
    std::set<Endpoint> seen;
    for (int i = 0; i < 4; ++i) {
      b.query(b.fresh(), method);
      REQUIRE(b.nodes.size() == 16);
      for (const auto& c : b.nodes) CHECK(seen.insert(c.endpoint).second);
    }
    CHECK(seen.size() == 64);
  }
}

TEST_CASE("T8 what the ring lacks the routing table adds, nobody twice") {
  Bench b;
  // Nodes of the table answer find_node; those of the ring pings.
  std::vector<Endpoint> in_table;
  for (int i = 0; i < 30; ++i) {
    const Endpoint e = b.somebody();
    b.node->ping(b.now, e, b.out);
    b.deliver();
    in_table.push_back(e);
  }
  REQUIRE(b.node->table_size() == 30);
  CHECK(b.node->ring_size() == 0);
  b.query(b.fresh());
  CHECK(b.nodes.size() == 16);
  for (int i = 0; i < 5; ++i) b.query(in_table[static_cast<std::size_t>(i)]);
  CHECK(b.node->ring_size() == 5);
  b.query(b.fresh());
  CHECK(b.nodes.size() == 16);
  const auto shown = endpoints(b.nodes);
  CHECK(shown.size() == 16);
  for (std::size_t i = 0; i < 5; ++i) CHECK(shown.contains(in_table[i]));
}

TEST_CASE("L5 a pong counts from the endpoint that was pinged only, and not for long") {
  Bench b{0};
  const Endpoint e = b.fresh();
  const auto id = b.rng.id<wire::NodeId>();
  const auto ping = [&] {
    b.query(e);
    b.advance(16min);
    REQUIRE(b.pings[e] >= 1);
    REQUIRE(b.last_transaction.size() == 8);
  };
  ping();
  const auto before = b.node->counters().stray_replies;
  b.pong({e.address, 6882}, id, b.last_transaction);
  b.pong(b.fresh(), id, b.last_transaction);
  auto wrong = b.last_transaction;
  wrong[7] ^= 1;
  b.pong(e, id, wrong);
  CHECK(b.node->counters().stray_replies == before + 3);
  CHECK(b.node->ring_size() == 0);
  b.advance(61s);
  b.pong(e, id, b.last_transaction);
  CHECK(b.node->counters().stray_replies == before + 4);
  CHECK(b.node->ring_size() == 0);
  // Twenty seconds are in time.
  b.advance(1min);
  ping();
  b.pings.clear();
  b.query(e);
  while (b.pings[e] == 0) b.advance(1s);
  b.advance(20s);
  b.pong(e, id, b.last_transaction);
  CHECK(b.node->ring_size() == 1);
}

TEST_CASE("L6 who answers under another id is handed out under that") {
  Bench b{0};
  const auto all = b.fill(20);
  const auto id = dht::derive_id(all[3].address, b.rng);
  b.there[all[3]] = id;
  b.advance(31min);
  CHECK(b.node->ring_size() == 20);
  b.query(b.fresh());
  std::vector<dht::Contact> shown = b.nodes;
  b.query(b.fresh());
  shown.insert(shown.end(), b.nodes.begin(), b.nodes.end());
  CHECK(std::any_of(shown.begin(), shown.end(), [&](const auto& c) { return c.endpoint == all[3] && c.id == id; }));
}

TEST_CASE("T5 while nobody at all can be heard nobody is thrown out of the ring") {
  Bench b{0};
  b.fill(50);
  const auto there = std::exchange(b.there, {});
  b.advance(3h);
  CHECK(b.node->ring_size() == 50);
  CHECK(b.counters().excused >= 50);
  // One voice, and the silence of the others counts.
  b.there.insert(*there.begin());
  b.advance(1h);
  CHECK(b.node->ring_size() == 1);
}

TEST_CASE("a ring is asked round and round, at an even pace, and each is there again after a lost packet") {
  Bench b{0};
  const auto all = b.fill(360);
  b.pings.clear();
  std::uint64_t before = b.counters().pings;
  for (int minute = 0; minute < 30; ++minute) {
    b.advance(1min);
    CHECK(b.counters().pings - before <= 14);
    before = b.counters().pings;
  }
  for (const Endpoint& e : all) CHECK(b.pings[e] >= 1);
  for (const Endpoint& e : all) CHECK(b.pings[e] <= 2);
  CHECK(b.node->ring_size() == 360);
}

TEST_CASE("both families are handed out to who wants them, each from its own ring") {
  Bench b{0}, six{0, Family::v6};
  b.fill(40);
  six.fill(40);
  b.query(b.fresh(), "find_node", "4:wantl2:n42:n6e", six.node.get());
  CHECK(b.nodes.size() == 16);
  CHECK(b.nodes6.size() >= 10);  // a reply is 1,024 bytes at most
  const auto shown = endpoints(b.nodes6);
  b.query(b.fresh(), "find_node", "4:wantl2:n6e", six.node.get());
  CHECK(b.nodes.empty());
  CHECK(b.nodes6.size() == 16);
  for (const Endpoint& e : endpoints(b.nodes6)) CHECK_FALSE(shown.contains(e));
  six.query(six.fresh());
  CHECK(six.nodes6.size() == 16);
}

TEST_CASE("a ring of an earlier run is handed out at once, and asked within minutes") {
  Bench before{0}, b{0};
  before.fill(200);
  b.there = before.there;
  b.there.erase(b.there.begin());
  b.node->restore_ring(before.node->ring());
  CHECK(b.node->ring_size() == 200);
  b.query(before.fresh());
  CHECK(b.nodes.size() == 16);
  b.advance(7min);
  CHECK(b.node->ring_size() == 199);
  b.pings.clear();
  b.advance(5min);
  CHECK(b.pings.size() <= 70);
}

TEST_CASE("S4 an introducer that strangers flood from everywhere keeps its bounds") {
  Bench b{0};
  const auto all = b.fill(100);
  for (int i = 0; i < 20'000; ++i) {
    b.query(b.fresh());
    b.now += 5ms;
  }
  CHECK(b.node->ping_queue() <= 4'000);
  CHECK(b.counters().queue_full > 10'000);
  b.advance(1h);
  CHECK(b.node->ring_size() == 100);
  CHECK(b.node->ping_queue() == 0);
}
