// SPDX-License-Identifier: Apache-2.0
// A front beside its node, and the test as the thread between them.
#include "dht/front.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "dht/node_id_security.hpp"

using namespace lodestone;
using namespace std::chrono_literals;
using dht::Front;
using wire::Address;
using wire::Endpoint;
using wire::Family;
namespace krpc = dht::krpc;

namespace {

constexpr wire::Instant kStart{1h};

/// What came back, read.
struct Heard {
  std::vector<dht::Contact> nodes;
  wire::ByteVector token;
  std::size_t values = 0;
  std::size_t size = 0;
  bool error = false;
  wire::NodeId id;
  std::optional<Endpoint> external;
};

struct Desk {
  explicit Desk(std::size_t in_ring = 200) {
    config.limits = dht::Limits::bootstrap();
    config.limits.ring_size = 120;  // young below half of that; of one /16 it takes 64
    config.limits.ping_queue = 1'000;
    config.limits.visitors = 1'000;
    config.policy.allow(wire::AddressKind::global);
    config.id = rng.id<wire::NodeId>();
    config.announced = announced.get();
    node = std::make_unique<dht::Node>(kStart, config, wire::Rng::from_number(5));
    wire::ByteVector ring;
    for (std::uint32_t i = 1; i <= in_ring; ++i) {
      const Address address = Address::v4(20u << 24 | i << 8 | 1);
      dht::CompactContact compact(dht::Contact{dht::derive_id(address, rng), {address, 6881}});
      ring.insert(ring.end(), compact.data(), compact.data() + dht::Contact::compact_size(Family::v4));
    }
    node->restore_ring(ring);
    front = std::make_unique<Front>(kStart, config, news(), *announced, false, wire::Rng::from_number(6));
    deal();
  }
  [[nodiscard]] Front::News news() const { return {node->id(), node->tokens(), node->ring_is_young()}; }
  void deal() {
    wire::ByteVector room(Front::kHand * dht::Contact::compact_size(Family::v4));
    room.resize(node->deal(room));
    front->deal(now, Family::v4, room);
  }
  [[nodiscard]] Endpoint somebody() {
    ++serial;
    return {Address::v4((30u << 24) + (serial << 8) + 1), 6881};
  }
  [[nodiscard]] std::string query(const std::string& method, const std::string& arguments) {
    const auto id = rng.id<wire::NodeId>();
    return "d1:ad2:id20:" + std::string{wire::as_text(id.view())} + arguments + "e1:q" + std::to_string(method.size()) +
           ":" + method + "1:t2:aa1:y1:qe";
  }
  [[nodiscard]] static std::string key(char c) { return "20:" + std::string(20, c); }
  [[nodiscard]] std::string find_node() { return query("find_node", "6:target" + key('x')); }
  [[nodiscard]] std::string get_peers(char c) { return query("get_peers", "9:info_hash" + key(c)); }
  [[nodiscard]] std::string announce(char c, wire::Bytes token) {
    return query("announce_peer", "9:info_hash" + key(c) + "4:porti6881e5:token" + std::to_string(token.size()) + ":" +
                                      std::string{wire::as_text(token)});
  }

  static std::optional<Heard> read(const wire::DatagramBatch& batch, const Endpoint& to) {
    for (const auto& entry : batch.entries()) {
      if (entry.to != to) continue;
      krpc::Decoder decoder;
      const auto message = decoder.decode(batch.payload(entry));
      REQUIRE(message);
      Heard heard;
      heard.size = entry.size;
      heard.error = std::holds_alternative<krpc::ErrorReply>(message->body);
      const auto* reply = std::get_if<krpc::Reply>(&message->body);
      if (reply == nullptr && !heard.error) continue;  // a ping of the node's own
      if (reply != nullptr) {
        dht::for_each_contact(reply->nodes, Family::v4, 100, [&](const auto& c) { heard.nodes.push_back(c); });
        heard.token.assign(reply->token.begin(), reply->token.end());
        if (reply->values)
          for ([[maybe_unused]] const auto v : *reply->values) ++heard.values;
        heard.id = reply->id;
        heard.external = reply->external;
      }
      return heard;
    }
    return std::nullopt;
  }
  /// By the front; nullopt and `left`: it is for the node.
  std::optional<Heard> ask(const Endpoint& from, const std::string& raw) {
    wire::DatagramBatch out;
    left = front->receive(now, from, wire::as_bytes(raw), out, strangers) == Front::Fate::for_the_node;
    if (left) CHECK(out.empty());
    return read(out, from);
  }
  std::optional<Heard> ask_node(const Endpoint& from, const std::string& raw) {
    dht::Output out;
    node->receive(now, from, wire::as_bytes(raw), out);
    return read(out.datagrams, from);
  }

  wire::Rng rng = wire::Rng::from_number(1);
  wire::Instant now = kStart;
  dht::NodeConfig config;
  std::unique_ptr<dht::HashFilter> announced = std::make_unique<dht::HashFilter>();
  std::unique_ptr<dht::Node> node;
  std::unique_ptr<Front> front;
  std::vector<Front::Stranger> strangers;
  bool left = false;
  std::uint32_t serial = 0;
};

}  // namespace

TEST_CASE("A front answers pings and shows 16 nodes that it was dealt, and three to who comes again") {
  Desk desk;
  const Endpoint asker = desk.somebody();
  const auto pong = desk.ask(asker, desk.query("ping", ""));
  REQUIRE(pong);
  CHECK(pong->id == desk.node->id());
  CHECK(pong->external == asker);
  const auto first = desk.ask(asker, desk.find_node());
  REQUIRE(first);
  CHECK(first->nodes.size() == 16);
  for (const dht::Contact& c : first->nodes) CHECK(c.endpoint.address.bytes()[0] == 20);
  CHECK(desk.ask(asker, desk.find_node())->nodes.size() == 3);
  desk.now += 11min;
  desk.deal();
  CHECK(desk.ask(asker, desk.find_node())->nodes.size() == 16);
  CHECK(desk.front->counters().served == 2);
  CHECK(desk.front->counters().served_again == 1);
  CHECK(desk.front->counters().nodes_handed == 35);
}

TEST_CASE("T2 a front of a young ring shows 16 nodes to who comes again, too, until it hears that it is no more") {
  Desk desk(50);
  REQUIRE(desk.node->ring_is_young());
  const Endpoint asker = desk.somebody();
  CHECK(desk.ask(asker, desk.find_node())->nodes.size() == 16);
  CHECK(desk.ask(asker, desk.find_node())->nodes.size() == 16);
  CHECK(desk.front->counters().served_again == 0);
  Front::News news = desk.news();
  news.young = false;
  desk.front->hear(news);
  CHECK(desk.ask(asker, desk.find_node())->nodes.size() == 3);
}

TEST_CASE("Whom a front was told to expect, and where its memory is, changes nothing of its answers") {
  // The same askers, expected in their order, in another one, without some, or not at all.
  const auto run = [](int how) {
    Desk desk;
    wire::ByteVector memory(how == 1 ? Front::bytes_for(desk.config.limits) : 0);
    desk.front = std::make_unique<Front>(kStart, desk.config, desk.news(), *desk.announced, false,
                                         wire::Rng::from_number(6), memory);
    desk.deal();
    std::vector<Endpoint> all;
    for (int i = 0; i < 40; ++i) all.push_back(desk.somebody());
    std::vector<Endpoint> expected = all;
    if (how == 2) std::reverse(expected.begin(), expected.end());
    if (how == 3) expected.erase(expected.begin(), expected.begin() + 7);
    std::vector<std::size_t> shown;
    for (int visit = 0; visit < 2; ++visit) {
      if (how != 0) desk.front->expect(expected);
      for (const Endpoint& asker : all) {
        const std::string query = how == 2 ? desk.get_peers('h') : desk.find_node();
        if (how != 0) desk.front->foresee(wire::as_bytes(query));
        const auto heard = desk.ask(asker, query);
        REQUIRE(heard);
        shown.push_back(heard->nodes.size());
      }
    }
    if (how == 1) CHECK(std::any_of(memory.begin(), memory.end(), [](auto b) { return b != 0; }));
    desk.front.reset();  // before the memory
    return std::pair{shown, desk.strangers.size()};
  };
  const auto known = run(0);
  CHECK(std::count(known.first.begin(), known.first.end(), 16u) == 40);
  CHECK(std::count(known.first.begin(), known.first.end(), 3u) == 40);
  CHECK(known.second == 40);
  for (const int how : {1, 2, 3}) CHECK(run(how) == known);
}

TEST_CASE("A front shows all of a hand before any of it again, and never the asker") {
  Desk desk;
  std::vector<dht::Contact> shown;
  for (int i = 0; i < 4; ++i) {
    CHECK_FALSE(desk.front->wants(desk.now, Family::v4));
    const auto heard = desk.ask(desk.somebody(), desk.find_node());
    REQUIRE(heard);
    shown.insert(shown.end(), heard->nodes.begin(), heard->nodes.end());
  }
  CHECK(desk.front->wants(desk.now, Family::v4));
  std::sort(shown.begin(), shown.end(), [](const auto& a, const auto& b) { return a.endpoint < b.endpoint; });
  CHECK(std::adjacent_find(shown.begin(), shown.end(),
                           [](const auto& a, const auto& b) { return a.endpoint == b.endpoint; }) == shown.end());
  CHECK(shown.size() == Front::kHand);
  // Nothing better has come: it goes on with what it has, but for who is asking.
  const auto heard = desk.ask(shown.front().endpoint, desk.find_node());
  REQUIRE(heard);
  CHECK(heard->nodes.size() >= 15);
  for (const dht::Contact& c : heard->nodes) CHECK(c.endpoint != shown.front().endpoint);
}

TEST_CASE("What a front cannot answer is for the node") {
  Desk desk;
  const Endpoint asker = desk.somebody();
  const std::string token(8, 't');
  for (const std::string& raw :
       {desk.announce('h', wire::as_bytes(token)), desk.query("get", "6:target" + desk.key('x')),
        desk.query("sample_infohashes", "6:target" + desk.key('x')), desk.query("vote", "6:target" + desk.key('x')),
        std::string("d1:rd2:id20:aaaaaaaaaaaaaaaaaaaae1:t2:aa1:y1:re"),
        std::string("d1:eli201e3:whye1:t2:aa1:y1:ee")}) {
    CHECK_FALSE(desk.ask(asker, raw));
    CHECK(desk.left);
  }
  CHECK(desk.front->counters().datagrams_in == 0);  // the node counts them

  // Garbage is for nobody; a query that is none gets its error.
  CHECK_FALSE(desk.ask(asker, "d1:q"));
  CHECK_FALSE(desk.left);
  const auto refused = desk.ask(asker, "d1:ad2:id20:aaaaaaaaaaaaaaaaaaaae1:q9:find_node1:t2:aa1:y1:qe");
  REQUIRE(refused);
  CHECK(refused->error);
  CHECK(desk.front->counters().malformed_in == 2);
  CHECK(desk.front->counters().malformed_queries == 1);
}

TEST_CASE("A front without contacts, or with old ones, leaves it to the node whom to show") {
  Desk empty(5);
  const Endpoint asker = empty.somebody();
  CHECK_FALSE(empty.ask(asker, empty.find_node()));
  CHECK(empty.left);
  CHECK(empty.ask(asker, empty.query("ping", "")));

  Desk old;
  old.now += Front::kFresh;
  CHECK(old.front->wants(old.now, Family::v4));
  CHECK_FALSE(old.ask(old.somebody(), old.find_node()));
  CHECK(old.left);
  old.deal();
  CHECK(old.ask(old.somebody(), old.find_node()));
}

TEST_CASE("A front for one family leaves it to the node to show contacts of the other") {
  Desk desk;
  const std::string both = desk.query("find_node", "6:target" + desk.key('x') + "4:wantl2:n42:n6e");
  REQUIRE(desk.ask(desk.somebody(), both));  // there is no sister, so there are none
  Front with_sister(kStart, desk.config, desk.news(), *desk.announced, true, wire::Rng::from_number(7));
  wire::ByteVector room(Front::kHand * dht::Contact::compact_size(Family::v4));
  room.resize(desk.node->deal(room));
  with_sister.deal(kStart, Family::v4, room);
  wire::DatagramBatch out;
  CHECK(with_sister.receive(kStart, desk.somebody(), wire::as_bytes(both), out, desk.strangers) ==
        Front::Fate::for_the_node);
  const wire::ByteVector six(20 * dht::Contact::compact_size(Family::v6), 0x26);
  with_sister.deal(kStart, Family::v6, six);
  const Endpoint asker = desk.somebody();
  CHECK(with_sister.receive(kStart, asker, wire::as_bytes(both), out, desk.strangers) == Front::Fate::done);
  REQUIRE(out.size() == 1);
  krpc::Decoder decoder;
  const auto message = decoder.decode(out.payload(out.entries()[0]));
  REQUIRE(message);
  CHECK(std::get<krpc::Reply>(message->body).nodes.size() == 16 * 26);
  // As many as 1,024 bytes have room for.
  CHECK(std::get<krpc::Reply>(message->body).nodes6.size() == 13 * 38);
}

TEST_CASE("S1 a token that a front gave is good at the node, and what is stored there the front asks it for") {
  Desk desk;
  const Endpoint peer = desk.somebody();
  const auto told = desk.ask(peer, desk.get_peers('h'));
  REQUIRE(told);
  REQUIRE(told->token.size() == 8);
  const auto stored = desk.ask_node(peer, desk.announce('h', told->token));
  REQUIRE(stored);
  CHECK_FALSE(stored->error);
  const Endpoint asker = desk.somebody();
  CHECK_FALSE(desk.ask(asker, desk.get_peers('h')));
  CHECK(desk.left);
  CHECK(desk.ask_node(asker, desk.get_peers('h'))->values == 1);
  CHECK(desk.ask(asker, desk.get_peers('i')));

  SECTION("until it has expired there") {
    desk.now += 50min;
    dht::Output out;
    desk.node->advance(desk.now, out);
    CHECK_FALSE(desk.announced->may_have(*wire::Key::from_bytes(wire::as_bytes(std::string(20, 'h')))));
  }
  SECTION("and its secrets change when the node's do") {
    desk.now += 5min;
    desk.deal();
    CHECK_FALSE(desk.ask(asker, desk.get_peers('i')));  // its own are of the period before
    CHECK(desk.left);
    REQUIRE(desk.ask_node(asker, desk.get_peers('i')));
    desk.front->hear(desk.news());
    const auto again = desk.ask(asker, desk.get_peers('i'));
    REQUIRE(again);
    CHECK_FALSE(desk.ask_node(asker, desk.announce('i', again->token))->error);
  }
}

TEST_CASE("S1 while the node turns hashes down a front gives no tokens") {
  Desk desk;
  desk.announced->set_full(true);
  CHECK_FALSE(desk.ask(desk.somebody(), desk.get_peers('h')));
  CHECK(desk.left);
  CHECK(desk.ask(desk.somebody(), desk.find_node()));
}

TEST_CASE("S3 to a prefix that has shown nothing a front sends little more than it got") {
  Desk desk;
  std::size_t sent = 0, received = 0;
  for (int i = 1; i < 200; ++i) {
    const Endpoint from{Address::v4((40u << 24) + static_cast<std::uint32_t>(i)), 6881};  // one /24
    const std::string raw = desk.find_node();
    const auto heard = desk.ask(from, raw);
    received += raw.size();
    sent += heard ? heard->size : 0;
  }
  CHECK(sent > 4 * received);
  CHECK(sent <= desk.config.limits.unverified_burst + desk.config.limits.unverified_factor * received);
}

TEST_CASE("S4 a front answers no address, and no prefix, more often than its rate") {
  Desk desk;
  const Endpoint flooder = desk.somebody();
  int answered = 0;
  for (int i = 0; i < 1'000; ++i) answered += desk.ask(flooder, desk.query("ping", "")).has_value();
  CHECK(answered == 100);
  CHECK(desk.front->counters().throttled_address == 900);
  CHECK(desk.ask(desk.somebody(), desk.query("ping", "")));
}

TEST_CASE("S5 a front talks to nobody whom the node would not talk to") {
  Desk desk;
  CHECK_FALSE(desk.ask({Address::v4(192, 168, 1, 1), 6881}, desk.query("ping", "")));
  CHECK_FALSE(desk.left);
  CHECK(desk.front->counters().refused_source == 1);
}

TEST_CASE("T2 a front tells the node whom it has answered, and the node pings them in time") {
  Desk desk(50);
  const Endpoint asker = desk.somebody();
  CHECK(desk.ask(asker, desk.find_node()));
  CHECK(desk.ask(asker, desk.find_node()));
  REQUIRE(desk.strangers.size() == 1);  // not again within some seconds
  CHECK(desk.strangers[0].contact.endpoint == asker);
  CHECK_FALSE(desk.strangers[0].read_only);
  desk.now += 20s;
  CHECK(desk.ask(asker, desk.find_node()));
  CHECK(desk.strangers.size() == 2);

  dht::Output out;
  desk.node->met(desk.now, desk.strangers[0].contact, false, true, out);
  REQUIRE(out.datagrams.size() >= 1);  // its ring is young: at once
  CHECK(out.datagrams.entries()[0].to == asker);
}

TEST_CASE("A front speaks under the id that the node has now") {
  Desk desk;
  Front::News news = desk.news();
  news.id = desk.rng.id<wire::NodeId>();
  desk.front->hear(news);
  CHECK(desk.ask(desk.somebody(), desk.query("ping", ""))->id == news.id);
}
