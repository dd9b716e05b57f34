// SPDX-License-Identifier: Apache-2.0
// Datagrams in, datagrams out: what a node answers.
#include "dht/responder.hpp"

#include <algorithm>
#include <string>

#include <catch2/catch.hpp>

#include "dht/krpc.hpp"
#include "dht/node.hpp"

using namespace lodestone;
using namespace std::chrono_literals;
using dht::krpc::ErrorReply;
using dht::krpc::Reply;
using wire::ByteVector;
using wire::Endpoint;

namespace {

constexpr wire::Instant kStart{1h};
const Endpoint kFrom{wire::Address::v4(11, 22, 33, 44), 5555};

struct Bench {
  explicit Bench(dht::NodeConfig settings = {}) : config(std::move(settings)) {
    if (config.id.is_zero()) config.id = rng.id<wire::NodeId>();
    config.policy.allow(wire::AddressKind::global);
    node = std::make_unique<dht::Node>(kStart, config, wire::Rng::from_number(9));
  }
  /// `fields` is what stands in "a" behind the id, in bencode.
  [[nodiscard]] std::string query(const std::string& method, const std::string& fields, const std::string& t = "aa") {
    return "d1:ad2:id20:" + std::string{wire::as_text(rng.id<wire::NodeId>().view())} + fields + "e1:q" +
           std::to_string(method.size()) + ":" + method + "1:t" + std::to_string(t.size()) + ":" + t + "1:y1:qe";
  }
  /// The datagram that comes back, empty if there is none.
  std::string ask(const std::string& raw, const Endpoint& from = kFrom) {
    out.clear();
    node->receive(now, from, wire::as_bytes(raw), out);
    REQUIRE(out.datagrams.size() <= 1);
    if (out.datagrams.empty()) return {};
    const auto& entry = out.datagrams.entries().front();
    CHECK(entry.to == from);
    return std::string{wire::as_text(out.datagrams.payload(entry))};
  }
  template <class Body>
  const Body& read(const std::string& raw) {
    held = raw;
    message = decoder.decode(wire::as_bytes(held));
    REQUIRE(message);
    REQUIRE(std::holds_alternative<Body>(message->body));
    return std::get<Body>(message->body);
  }
  /// Puts nodes into its table, the way they get there: they answer.
  void fill_table(int n) {
    for (int i = 0; i < n; ++i) {
      const Endpoint e =
          config.family == wire::Family::v4
              ? Endpoint{wire::Address::v4(12, 0, static_cast<std::uint8_t>(i), 1), 6881}
              : Endpoint{wire::Address::v6({0x26, 0, 0, 0, 0, static_cast<std::uint8_t>(i), 0, 0, 1}), 6881};
      dht::Output sent;
      node->ping(now, e, sent);
      const auto q = decoder.decode(sent.datagrams.payload(sent.datagrams.entries().front()));
      std::uint8_t room[256];
      const auto size = dht::krpc::encode_reply(room, q->transaction, "", {rng.id<wire::NodeId>(), e, {}, {}, {}, {}});
      node->receive(now, e, {room, size}, sent);
    }
    REQUIRE(node->table_size() == static_cast<std::size_t>(n));
  }
  std::string get_token(const std::string& hash, const Endpoint& from = kFrom) {
    return std::string{wire::as_text(read<Reply>(ask(query("get_peers", "9:info_hash20:" + hash), from)).token)};
  }
  std::string announce(const std::string& hash, const std::string& token, int port, bool implied = false,
                       const Endpoint& from = kFrom) {
    return ask(
        query("announce_peer", std::string{implied ? "12:implied_porti1e" : ""} + "9:info_hash20:" + hash + "4:porti" +
                                   std::to_string(port) + "e5:token" + std::to_string(token.size()) + ":" + token),
        from);
  }

  wire::Rng rng = wire::Rng::from_number(3);
  dht::NodeConfig config;
  std::unique_ptr<dht::Node> node;
  wire::Instant now = kStart;
  dht::Output out;
  dht::krpc::Decoder decoder;
  std::string held;
  std::expected<dht::krpc::Message, dht::krpc::Rejected> message;
};

const std::string kHash = "mnopqrstuvwxyz123456";
const std::string kTarget = "6:target20:" + kHash;

}  // namespace

TEST_CASE("ping is answered with our id, the sender's address and our version") {
  Bench b;
  const auto raw = b.ask(b.query("ping", ""));
  const auto& r = b.read<Reply>(raw);
  CHECK(r.id == b.config.id);
  CHECK(r.external == kFrom);
  CHECK(wire::as_text(b.message->version) == "LD");
  CHECK(r.nodes.empty());
  CHECK(b.node->counters().queries_in == 1);
  CHECK(b.node->counters().replies_out == 1);
}

TEST_CASE("L5 the remote's transaction id is echoed whatever its length") {
  Bench b;
  for (const std::string& t : {std::string{}, std::string{"x"}, std::string{"\0\0\0", 3}, std::string(64, 'z')}) {
    b.read<Reply>(b.ask(b.query("ping", "", t)));
    CHECK(wire::as_text(b.message->transaction) == t);
  }
  CHECK(b.ask(b.query("ping", "", std::string(600, 'z'))).empty());
}

TEST_CASE("L9 get_peers is answered with nodes and values both") {
  Bench b;
  b.fill_table(10);
  CHECK(b.read<Reply>(b.ask(b.query("get_peers", "9:info_hash20:" + kHash))).nodes.size() == 8 * 26);
  CHECK_FALSE(b.read<Reply>(b.ask(b.query("get_peers", "9:info_hash20:" + kHash))).values);
  b.read<Reply>(b.announce(kHash, b.get_token(kHash), 7000));
  const auto& r = b.read<Reply>(b.ask(b.query("get_peers", "9:info_hash20:" + kHash)));
  CHECK(r.nodes.size() == 8 * 26);
  REQUIRE(r.values);
  CHECK(r.values->size() == 1);
  CHECK(Endpoint::from_compact(*(*r.values->begin()).string()) == Endpoint{kFrom.address, 7000});
  CHECK_FALSE(r.token.empty());
}

TEST_CASE("L9 want governs nodes and nodes6 only") {
  const auto family = GENERATE(wire::Family::v4, wire::Family::v6);
  dht::NodeConfig config;
  config.family = family;
  Bench b{config};
  const Endpoint from = family == wire::Family::v4 ? kFrom : *Endpoint::parse("[2606:4700::5]:5555");
  b.fill_table(10);
  const auto sizes = [&](const std::string& want) {
    const auto& r = b.read<Reply>(b.ask(b.query("get_peers", "9:info_hash20:" + kHash + want), from));
    CHECK_FALSE(r.token.empty());
    return std::pair{r.nodes.size(), r.nodes6.size()};
  };
  const std::pair<std::size_t, std::size_t> own = family == wire::Family::v4
                                                      ? std::pair<std::size_t, std::size_t>{8 * 26, 0}
                                                      : std::pair<std::size_t, std::size_t>{0, 8 * 38};
  const std::pair<std::size_t, std::size_t> none{0, 0};
  CHECK(sizes("") == own);
  CHECK(sizes("4:wantl2:n42:n6e") == own);
  CHECK(sizes("4:wantl2:n4e") == (family == wire::Family::v4 ? own : none));
  CHECK(sizes("4:wantl2:n6e") == (family == wire::Family::v4 ? none : own));
}

TEST_CASE("T8 find_node is answered with the closest of the table") {
  Bench b;
  b.fill_table(60);
  const auto& r = b.read<Reply>(b.ask(b.query("find_node", kTarget)));
  const auto best = b.node->closest(*wire::Key::from_bytes(wire::as_bytes(kHash)), 8);
  std::size_t i = 0;
  dht::for_each_contact(r.nodes, wire::Family::v4, 99, [&](const dht::Contact& c) {
    REQUIRE(i < best.size());
    CHECK(c.id == best[i].id);
    CHECK(c.endpoint == best[i++].endpoint);
  });
  CHECK(i == 8);
}

TEST_CASE("S9 an unknown query with a target is answered like find_node") {
  Bench b;
  b.fill_table(10);
  CHECK(b.read<Reply>(b.ask(b.query("sample_everything", kTarget))).nodes.size() == 8 * 26);
  CHECK(b.read<Reply>(b.ask(b.query("sample_everything", "9:info_hash20:" + kHash))).nodes.size() == 8 * 26);
  CHECK(b.read<ErrorReply>(b.ask(b.query("sample_everything", ""))).code == 204);
}

TEST_CASE("S3 garbage gets silence, a malformed query its code, a reply stays below its limit") {
  Bench b;
  CHECK(b.ask("").empty());
  CHECK(b.ask("hello").empty());
  CHECK(b.ask("d1:y1:qe").empty());
  CHECK(b.ask("d1:rde1:t2:aa1:y1:re").empty());
  CHECK(b.ask("d1:eli201e1:xe1:t2:aa1:y1:ee").empty());
  CHECK(b.read<ErrorReply>(b.ask("d1:ad2:id3:abce1:q4:ping1:t2:aa1:y1:qe")).code == 203);
  CHECK(b.read<ErrorReply>(b.ask(b.query("find_node", ""))).code == 203);
  b.fill_table(20);
  for (int i = 0; i < 200; ++i) {
    const Endpoint from{wire::Address::v4(13, 0, static_cast<std::uint8_t>(i), 1), 6881};
    b.announce(kHash, b.get_token(kHash, from), 7000, false, from);
  }
  const auto raw = b.ask(b.query("get_peers", "9:info_hash20:" + kHash, std::string(100, 't')));
  CHECK(raw.size() <= 1'024);
  CHECK(b.read<Reply>(raw).values->size() == 50);
}

TEST_CASE("S1 an announce needs the token that this address got for this hash") {
  Bench b;
  const auto token = b.get_token(kHash);
  const Endpoint other{wire::Address::v4(11, 22, 33, 45), 5555};
  CHECK(b.read<ErrorReply>(b.announce(kHash, token, 7000, false, other)).code == 203);
  CHECK(b.read<ErrorReply>(b.announce(std::string(20, 'x'), token, 7000)).code == 203);
  CHECK(b.read<ErrorReply>(b.announce(kHash, "wrong", 7000)).code == 203);
  CHECK(b.node->counters().tokens_refused == 3);
  CHECK(b.node->stored_peers(*wire::InfoHash::from_bytes(wire::as_bytes(kHash))) == 0);
  b.now += 9min;
  CHECK(b.read<Reply>(b.announce(kHash, token, 7000)).id == b.config.id);
  b.now += 11min;
  CHECK(b.read<ErrorReply>(b.announce(kHash, token, 7000)).code == 203);
}

TEST_CASE("S1 a full store withholds its token") {
  dht::NodeConfig config;
  config.limits.hashes_total = 1;
  config.id.bytes()[0] = 1;
  Bench b{config};
  std::string near(20, '\0');
  near[0] = 2;
  std::string far(20, '\0');
  far[0] = 127;
  const auto token = b.get_token(near);
  const auto early = b.get_token(far);
  CHECK_FALSE(early.empty());
  b.read<Reply>(b.announce(near, token, 7000));
  CHECK(b.get_token(far).empty());
  CHECK(b.read<ErrorReply>(b.announce(far, early, 7000)).code == 202);
  CHECK(b.node->counters().store_refused == 1);
  CHECK_FALSE(b.get_token(near).empty());
}

TEST_CASE("an implied port is the one the announce came from") {
  Bench b;
  b.read<Reply>(b.announce(kHash, b.get_token(kHash), 7000, true));
  const auto& r = b.read<Reply>(b.ask(b.query("get_peers", "9:info_hash20:" + kHash)));
  CHECK(Endpoint::from_compact(*(*r.values->begin()).string()) == kFrom);
  CHECK(b.read<ErrorReply>(b.announce(kHash, b.get_token(kHash), 1)).code == 203);
}

TEST_CASE("S5 queries from addresses that we do not talk to get silence") {
  Bench b;
  for (const char* from :
       {"127.0.0.1:5555", "192.168.0.1:5555", "224.1.1.1:5555", "11.22.33.44:0", "[2606:4700::1]:5"}) {
    CHECK(b.ask(b.query("ping", ""), *Endpoint::parse(from)).empty());
  }
  CHECK(b.node->counters().refused_source == 5);
  CHECK(b.node->counters().queries_in == 0);
}

TEST_CASE("T7 a read-only node answers no query, not even a malformed one") {
  dht::NodeConfig config;
  config.read_only = true;
  Bench b{config};
  CHECK(b.ask(b.query("ping", "")).empty());
  CHECK(b.ask("d1:ad2:id3:abce1:q4:ping1:t2:aa1:y1:qe").empty());
  dht::Output out;
  b.node->ping(b.now, kFrom, out);
  const std::string sent{wire::as_text(out.datagrams.payload(out.datagrams.entries().front()))};
  CHECK(sent.find("2:roi1e") != std::string::npos);
}
