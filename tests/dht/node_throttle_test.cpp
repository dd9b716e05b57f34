// SPDX-License-Identifier: Apache-2.0
// One Node, and the test as those who ask too much or from addresses that are not theirs.
#include <memory>
#include <string>

#include <catch2/catch.hpp>

#include "dht/krpc.hpp"
#include "dht/node.hpp"

using namespace lodestone;
using namespace std::chrono_literals;
using dht::krpc::Reply;
using wire::Endpoint;

namespace {

const std::string kHash = "mnopqrstuvwxyz123456";
const std::string kFindNode = "d1:ad2:id20:abcdefghij01234567896:target20:" + kHash + "e1:q9:find_node1:t2:aa1:y1:qe";
const std::string kGetPeers =
    "d1:ad2:id20:abcdefghij01234567899:info_hash20:" + kHash + "e1:q9:get_peers1:t2:aa1:y1:qe";
const std::string kPing = "d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe";

Endpoint source(std::uint8_t host, std::uint16_t port = 5555) { return {wire::Address::v4(11, 22, 33, host), port}; }

struct Bench {
  explicit Bench(bool private_net = false, std::uint32_t factor = 4) {
    dht::NodeConfig config;
    config.id = rng.id<wire::NodeId>();
    config.policy.allow(wire::AddressKind::global);
    config.private_net = private_net;
    config.limits.unverified_factor = factor;
    node = std::make_unique<dht::Node>(now, config, wire::Rng::from_number(9));
    for (std::uint8_t i = 0; i < 30; ++i) answer_ping({wire::Address::v4(12, 0, i, 1), 6881});
    REQUIRE(node->table_size() == 30);
  }
  /// The node asks it, and it answers.
  void answer_ping(const Endpoint& who) {
    dht::Output sent;
    node->ping(now, who, sent);
    const auto q = decoder.decode(sent.datagrams.payload(sent.datagrams.entries().front()));
    std::uint8_t room[256];
    const auto n = dht::krpc::encode_reply(room, q->transaction, "", {rng.id<wire::NodeId>(), who, {}, {}, {}, {}});
    node->receive(now, who, {room, n}, sent);
  }
  /// The answer, empty if there is none.
  std::string ask(const Endpoint& from, const std::string& raw) {
    out.clear();
    node->receive(now, from, wire::as_bytes(raw), out);
    REQUIRE(out.datagrams.size() <= 1);
    if (out.datagrams.empty()) return {};
    return std::string{wire::as_text(out.datagrams.payload(out.datagrams.entries().front()))};
  }
  int answered(const Endpoint& from, const std::string& raw, int n) {
    int yes = 0;
    for (int i = 0; i < n; ++i) yes += !ask(from, raw).empty();
    return yes;
  }
  const Reply& read(const std::string& raw) {
    held = raw;
    message = decoder.decode(wire::as_bytes(held));
    REQUIRE(message);
    return std::get<Reply>(message->body);
  }
  std::string announce(const std::string& token, int port) {
    return "d1:ad2:id20:abcdefghij01234567899:info_hash20:" + kHash + "4:porti" + std::to_string(port) + "e5:token" +
           std::to_string(token.size()) + ":" + token + "e1:q13:announce_peer1:t2:aa1:y1:qe";
  }
  [[nodiscard]] const dht::Counters& counters() const { return node->counters(); }

  wire::Rng rng = wire::Rng::from_number(3);
  wire::Instant now{1h};
  std::unique_ptr<dht::Node> node;
  dht::Output out;
  dht::krpc::Decoder decoder;
  std::string held;
  std::expected<dht::krpc::Message, dht::krpc::Rejected> message;
};

}  // namespace

TEST_CASE("S4 an address is answered 20 times a second after a burst of 100, and its neighbours all the same") {
  Bench b;
  b.answer_ping(source(1));  // so that only the rate limits it
  CHECK(b.answered(source(1), kFindNode, 500) == 100);
  CHECK(b.counters().throttled_address == 400);
  CHECK(b.counters().queries_in == 100);
  CHECK(b.answered(source(1, 5556), kFindNode, 10) == 0);  // another port is no other address
  CHECK(b.answered(source(2), kFindNode, 50) == 50);
  b.now += 1s;
  CHECK(b.answered(source(1), kFindNode, 500) == 20);
  CHECK(b.counters().throttled_prefix == 0);
  b.node->check_invariants();
}

TEST_CASE("S4 a /24 is answered 400 times a second after a burst of 2,000, and the next /24 all the same") {
  Bench b;
  b.answer_ping(source(1));
  const auto all = [&] {
    int yes = 0;
    for (std::uint8_t host = 2; host < 102; ++host) yes += b.answered(source(host), kPing, 30);
    return yes;
  };
  CHECK(all() == 2'000);
  CHECK(b.counters().throttled_prefix == 1'000);
  CHECK(b.answered({wire::Address::v4(11, 22, 34, 1), 1}, kPing, 50) == 50);
  b.now += 1s;
  CHECK(all() == 400);
}

TEST_CASE("S4 replies that match are charged to nobody, those that do not are") {
  Bench b;
  b.answer_ping(source(1));
  CHECK(b.answered(source(1), kPing, 200) == 100);
  // It has spent its share, and its answers still count.
  const auto before = b.counters().replies_in;
  for (int i = 0; i < 300; ++i) b.answer_ping(source(1));
  CHECK(b.counters().replies_in == before + 300);

  const std::string stray = "d1:rd2:id20:abcdefghij0123456789e1:t4:aaaa1:y1:re";
  CHECK(b.answered(source(2), stray, 70) == 0);
  CHECK(b.counters().stray_replies == 70);
  CHECK(b.answered(source(2), kPing, 100) == 30);
}

TEST_CASE("S4 garbage, errors and queries dressed up as replies have a price, too") {
  Bench b;
  b.answer_ping(source(1));
  CHECK(b.answered(source(1), "d1:ad2:id3:abce1:q4:ping1:t2:aa1:y1:qe", 10) == 10);  // 203
  CHECK(b.answered(source(1), "dgarbage", 10) == 0);
  CHECK(b.answered(source(1), "d1:eli202e2:noe1:t4:aaaa1:y1:ee", 10) == 0);
  // A query whose last bytes are a reply's: it is decoded, and charged as what it is.
  const std::string padded = kPing + "1:y1:re";  // trailing bytes are tolerated
  CHECK(dht::krpc::looks_like_reply(wire::as_bytes(padded)));
  CHECK(b.answered(source(1), padded, 100) == 70);
  CHECK(b.answered(source(1), kPing, 10) == 0);
  CHECK(b.counters().throttled_address == 40);
}

TEST_CASE("S5 a private net lifts the rates of S4") {
  Bench b{true};
  b.answer_ping(source(1));
  CHECK(b.answered(source(1), kFindNode, 3'000) == 3'000);
  CHECK(b.counters().throttled_address == 0);
}

TEST_CASE("S3 1,000 queries of an unverified prefix are answered with 4 times their bytes and 8 KiB at most") {
  for (const std::string& query : {kFindNode, kGetPeers, kPing, std::string{"d1:q1:x1:t2:aa1:y1:qe"}}) {
    Bench b;
    std::size_t received = 0;
    std::size_t sent = 0;
    std::size_t most_at_the_end = 0;
    for (int i = 0; i < 1'000; ++i) {
      const auto answer = b.ask(source(static_cast<std::uint8_t>(i)), query);
      received += query.size();
      sent += answer.size();
      if (i >= 900) most_at_the_end = std::max(most_at_the_end, answer.size());
      REQUIRE(answer.size() <= 1'024);
      REQUIRE(sent <= 4 * received + (8 << 10));
    }
    CHECK(most_at_the_end <= 4 * query.size() + 8 * query.size());
    CHECK(b.counters().answered_unverified + b.counters().unanswered_unverified == 1'000);
  }
}

TEST_CASE("S3 as the budget runs out, replies lose nodes, then values, then there is silence") {
  Bench b;
  // A hash with many peers; the announcers are elsewhere and verified by their tokens.
  for (std::uint8_t i = 0; i < 40; ++i) {
    const Endpoint peer{wire::Address::v4(13, 0, i, 1), 7'000};
    const std::string token{wire::as_text(b.read(b.ask(peer, kGetPeers)).token)};
    REQUIRE_FALSE(b.ask(peer, b.announce(token, 7'000)).empty());
  }
  std::size_t nodes_before = 8 * 26, values_before = 40;
  bool fewer_nodes = false, fewer_values = false;
  for (int i = 0; i < 60; ++i) {
    const auto raw = b.ask(source(static_cast<std::uint8_t>(i)), kGetPeers);
    REQUIRE_FALSE(raw.empty());
    const auto& r = b.read(raw);
    const std::size_t values = r.values ? r.values->size() : 0;
    CHECK(r.nodes.size() <= nodes_before);
    CHECK_FALSE(r.token.empty());
    if (r.nodes.size() < 8 * 26) fewer_nodes = true;
    if (values < values_before) {
      fewer_values = true;
      CHECK(r.nodes.empty());
    }
    nodes_before = std::max<std::size_t>(r.nodes.size(), 26);
  }
  CHECK(fewer_nodes);
  CHECK(fewer_values);
  // Four bytes for one always pay for the smallest reply. Without them the burst is all there is.
  Bench poor{false, 0};
  const int answered = poor.answered(source(1), kPing, 50) + poor.answered(source(2), kFindNode, 50);
  CHECK(answered < 100);
  CHECK(poor.answered(source(3), kPing, 3) == 0);
  CHECK(poor.counters().unanswered_unverified == 103u - static_cast<unsigned>(answered));
}

TEST_CASE("S3 a prefix is verified for 10 min by answering us or by echoing a token") {
  for (const bool by_token : {true, false}) {
    CAPTURE(by_token);
    Bench b;
    const auto full = b.ask(source(1), kFindNode).size();
    for (int i = 0; i < 200; ++i) (void)b.ask(source(static_cast<std::uint8_t>(i)), kGetPeers);
    REQUIRE(b.ask(source(201), kPing).size() < full);
    const auto limited = b.counters().answered_unverified;
    if (by_token) {
      const std::string token{wire::as_text(b.read(b.ask(source(250), kGetPeers)).token)};
      (void)b.ask(source(250), b.announce("wrongtok", 7'000));
      CHECK(b.counters().answered_unverified > limited);
      CHECK_FALSE(b.ask(source(250), b.announce(token, 7'000)).empty());
    } else {
      b.answer_ping(source(250));
    }
    const auto unverified = b.counters().answered_unverified;
    for (int i = 0; i < 90; ++i) CHECK(b.ask(source(249), kFindNode).size() == full);
    b.now += 599s;
    CHECK(b.ask(source(248), kFindNode).size() == full);
    CHECK(b.counters().answered_unverified == unverified);
    b.now += 1s;
    (void)b.ask(source(248), kFindNode);
    CHECK(b.counters().answered_unverified == unverified + 1);
  }
}

TEST_CASE("S4 every role has the rates of the rule or is more patient, and bounded tables") {
  for (const auto& l : {dht::Limits::client(), dht::Limits::node(), dht::Limits::bootstrap(), dht::Limits::crawler()}) {
    CHECK(l.address_rate == 20);
    CHECK(l.address_burst == 100);
    CHECK(l.prefix_rate >= 400);
    CHECK(l.prefix_burst >= 2'000);
    CHECK(l.throttled_sources == 65'536);
    CHECK(l.unverified_factor == 4);
    CHECK(l.unverified_burst == 8'192);
    CHECK(l.verified_for == 10min);
    CHECK(l.reply_max == 1'024);
  }
}
