// SPDX-License-Identifier: Apache-2.0
// Datagrams in, datagrams out: what a node answers.
#include "dht/responder.hpp"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <vector>

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
  CHECK(b.node->counters().tokens_withheld == 1);
  CHECK_FALSE(b.get_token(near).empty());
}

TEST_CASE("an implied port is the one the announce came from") {
  Bench b;
  b.read<Reply>(b.announce(kHash, b.get_token(kHash), 7000, true));
  const auto& r = b.read<Reply>(b.ask(b.query("get_peers", "9:info_hash20:" + kHash)));
  CHECK(Endpoint::from_compact(*(*r.values->begin()).string()) == kFrom);
  CHECK(b.read<ErrorReply>(b.announce(kHash, b.get_token(kHash), 1)).code == 203);
  CHECK(b.node->counters().announces_bad_port == 1);
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

namespace {

struct ItemBench : Bench {
  using Bench::Bench;
  std::string token_for(const wire::Key& target, const Endpoint& from = kFrom) {
    return std::string{wire::as_text(get(target, "", from).token)};
  }
  const Reply& get(const wire::Key& target, const std::string& fields = "", const Endpoint& from = kFrom) {
    return read<Reply>(ask(query("get", fields + "6:target20:" + std::string{wire::as_text(target.view())}), from));
  }
  std::string put(const dht::Item& item, const std::string& token, std::optional<std::int64_t> cas = std::nullopt,
                  const Endpoint& from = kFrom) {
    std::uint8_t room[2'048];
    const auto our_id = rng.id<wire::NodeId>();
    const auto size = dht::krpc::encode_put(room, {1, our_id, ""}, item.view(), cas, wire::as_bytes(token));
    return ask(std::string{wire::as_text({room, size})}, from);
  }
  int code(const std::string& raw) { return static_cast<int>(read<ErrorReply>(raw).code); }
  dht::Item sign(const std::string& value, std::int64_t seq, const std::string& salt = "") {
    return key.sign(wire::as_bytes(value), wire::as_bytes(salt), seq);
  }
  static dht::Item plain(const std::string& value) {
    dht::Item item;
    item.value.assign(value.begin(), value.end());
    return item;
  }
  dht::SigningKey key{dht::SigningKey::Seed{1}};
};

}  // namespace

TEST_CASE("S8 an immutable item is put with a token and got with nodes and a token") {
  ItemBench b;
  b.fill_table(10);
  const auto item = ItemBench::plain("12:Hello World!");
  CHECK(b.get(item.target()).value.empty());
  CHECK(b.code(b.put(item, "wrong")) == 203);
  CHECK(b.code(b.put(item, b.token_for(wire::Key{}))) == 203);  // a token for another target
  CHECK(b.read<Reply>(b.put(item, b.token_for(item.target()))).id == b.config.id);
  CHECK(b.node->stored_items() == 1);
  const Reply& r = b.get(*wire::Key::from_hex("e5f96f6f38320f0f33959cb4d3d656452117aadb"));
  CHECK(wire::as_text(r.value) == "12:Hello World!");
  CHECK(r.key.empty());
  CHECK_FALSE(r.seq);
  CHECK(r.nodes.size() == 8 * 26);
  CHECK_FALSE(r.token.empty());
  CHECK(b.node->counters().puts_in == 3);
}

TEST_CASE("S8 a mutable item obeys its number and compare-and-swap: 301, 302") {
  ItemBench b;
  const auto target = b.sign("1:a", 5).target();
  const auto token = b.token_for(target);
  b.read<Reply>(b.put(b.sign("1:a", 5), token));
  CHECK(b.code(b.put(b.sign("1:b", 4), token)) == 302);
  CHECK(b.code(b.put(b.sign("1:b", 5), token)) == 302);
  CHECK(b.code(b.put(b.sign("1:b", 6), token, 4)) == 301);
  b.read<Reply>(b.put(b.sign("1:b", 6), token, 5));
  const Reply& r = b.get(target);
  const auto item = r.item({});
  REQUIRE(item);
  CHECK(wire::as_text(item->value) == "1:b");
  CHECK(item->signed_by->seq == 6);
  CHECK(dht::signature_holds(item->value, *item->signed_by));
  CHECK(b.node->counters().puts_refused == 3);
  CHECK(b.node->counters().puts_conflict == 3);
  CHECK(b.node->counters().errors_out == 3);
}

TEST_CASE("S8 who has the item already is told its number only") {
  ItemBench b;
  const auto item = b.sign("1:a", 5);
  b.read<Reply>(b.put(item, b.token_for(item.target())));
  CHECK(wire::as_text(b.get(item.target(), "3:seqi4e").value) == "1:a");
  for (const char* seq : {"3:seqi5e", "3:seqi6e"}) {
    const Reply& r = b.get(item.target(), seq);
    CHECK(r.seq == 5);
    CHECK(r.value.empty());
    CHECK(r.key.empty());
    CHECK(r.signature.empty());
    CHECK_FALSE(r.token.empty());
  }
}

TEST_CASE("S8 each fault of a put has its code: 203, 205, 206, 207, 202") {
  dht::NodeConfig config;
  config.limits.items_bytes = 1'000;
  ItemBench b{config};
  const auto put = [&](const dht::Item& item) { return b.put(item, b.token_for(item.target())); };
  CHECK(b.code(put(ItemBench::plain("i01e"))) == 203);
  CHECK(b.code(put(ItemBench::plain("d1:bi1e1:ai1ee"))) == 203);
  CHECK(b.code(put(ItemBench::plain("997:" + std::string(997, 'x')))) == 205);
  auto forged = b.sign("1:a", 1);
  forged.signature[5] ^= 1;
  CHECK(b.code(put(forged)) == 206);
  auto salted = b.sign("1:a", 1, std::string(64, 's'));
  b.read<Reply>(put(salted));
  salted.salt.push_back('s');
  CHECK(b.code(b.put(salted, "any")) == 207);
  CHECK(b.node->counters().puts_invalid == 5);
  CHECK(b.node->stored_items() == 1);
  // A token may be older than what has filled the store since.
  std::vector<std::pair<dht::Item, std::string>> more;
  for (int i = 0; i < 20; ++i) {
    more.emplace_back(ItemBench::plain("500:" + std::string(499, 'x') + static_cast<char>('A' + i)), "");
    more.back().second = b.token_for(more.back().first.target());
  }
  int full = 0;
  for (const auto& [item, token] : more) {
    const auto raw = b.put(item, token);
    if (raw.find("1:y1:e") != std::string::npos && !token.empty()) full += b.code(raw) == 202;
  }
  CHECK(full > 0);
  CHECK(b.node->stored_items() == 1);
}

TEST_CASE("S3 the largest item still fits with its nodes into 1,500 bytes") {
  for (const auto family : {wire::Family::v4, wire::Family::v6}) {
    dht::NodeConfig config;
    config.family = family;
    ItemBench b{config};
    const Endpoint from = family == wire::Family::v4 ? kFrom : *Endpoint::parse("[2606:4700::5]:5555");
    b.fill_table(10);
    const auto item = b.sign("996:" + std::string(996, 'x'), std::numeric_limits<std::int64_t>::max());
    const auto token = b.token_for(item.target(), from);
    b.read<Reply>(b.put(item, token, std::nullopt, from));
    const auto raw = b.ask(b.query("get", "6:target20:" + std::string{wire::as_text(item.target().view())}), from);
    CHECK(raw.size() <= 1'500);
    const Reply& r = b.read<Reply>(raw);
    CHECK(r.item({}));
    CHECK((family == wire::Family::v4 ? r.nodes.size() / 26 : r.nodes6.size() / 38) >= 5);
  }
}

TEST_CASE("S7 a scrape is answered with both filters, nodes and some values, below the limit") {
  for (const auto family : {wire::Family::v4, wire::Family::v6}) {
    dht::NodeConfig config;
    config.family = family;
    Bench b{config};
    b.fill_table(10);
    const auto at = [&](int i) {
      return family == wire::Family::v4
                 ? Endpoint{wire::Address::v4(13, 0, static_cast<std::uint8_t>(i), 1), 6881}
                 : Endpoint{wire::Address::v6({0x26, 0, 0, 1, 0, static_cast<std::uint8_t>(i), 0, 0, 1}), 6881};
    };
    const auto scrape = [&] { return b.ask(b.query("get_peers", "9:info_hash20:" + kHash + "6:scrapei1e"), at(0)); };
    CHECK(b.read<Reply>(scrape()).seeds_filter.empty());
    dht::BloomFilter seeds, peers;
    for (int i = 0; i < 100; ++i) {
      const auto token = b.get_token(kHash, at(i));
      const bool seed = i % 3 == 0;
      b.read<Reply>(
          b.ask(b.query("announce_peer", "9:info_hash20:" + kHash + "4:porti7000e" + (seed ? "4:seedi1e" : "") +
                                             "5:token" + std::to_string(token.size()) + ":" + token),
                at(i)));
      (seed ? seeds : peers).insert(at(i).address);
    }
    const auto raw = scrape();
    CHECK(raw.size() <= 1'024);
    const Reply& r = b.read<Reply>(raw);
    CHECK(std::equal(r.seeds_filter.begin(), r.seeds_filter.end(), seeds.bytes().begin(), seeds.bytes().end()));
    CHECK(std::equal(r.peers_filter.begin(), r.peers_filter.end(), peers.bytes().begin(), peers.bytes().end()));
    CHECK(r.nodes.size() + r.nodes6.size() >= 7 * 26);
    REQUIRE(r.values);
    CHECK(r.values->size() >= 1);
    CHECK(b.read<Reply>(b.ask(b.query("get_peers", "9:info_hash20:" + kHash), at(0))).seeds_filter.empty());
  }
}

TEST_CASE("S6 sample_infohashes: always samples, the true number, and nodes") {
  Bench b;
  b.fill_table(10);
  const auto sample = [&]() -> const Reply& { return b.read<Reply>(b.ask(b.query("sample_infohashes", kTarget))); };
  const Reply& none = sample();
  REQUIRE(none.samples);
  CHECK(none.samples->empty());
  CHECK(none.num == 0);
  CHECK(none.interval == 3'600);
  for (int i = 0; i < 50; ++i) {
    std::string hash = kHash;
    hash[3] = static_cast<char>('A' + i);
    b.now += 1s;  // S4
    b.read<Reply>(b.announce(hash, b.get_token(hash), 7000));
  }
  const std::string first{wire::as_text(*sample().samples)};
  CHECK(first.size() == 20 * 20);
  CHECK(sample().num == 50);
  CHECK(sample().nodes.size() == 8 * 26);
  CHECK(wire::as_text(*sample().samples) == first);
}

TEST_CASE("L9 who wants both families gets both, from the nodes that we are there") {
  dht::NodeConfig six_config;
  six_config.family = wire::Family::v6;
  Bench four, six{six_config};
  four.fill_table(10);
  six.fill_table(10);
  const auto ask = [](Bench& a, Bench& sister, const Endpoint& from, const std::string& method,
                      const std::string& want) {
    dht::Output out;
    a.node->receive(a.now, from, wire::as_bytes(a.query(method, kTarget + want)), out, sister.node.get());
    REQUIRE(out.datagrams.size() == 1);
    const auto payload = out.datagrams.payload(out.datagrams.entries().front());
    CHECK(payload.size() <= 1'024);
    const Reply& r = a.read<Reply>(std::string{wire::as_text(payload)});
    return std::pair{r.nodes.size() / 26, r.nodes6.size() / 38};
  };
  using Sizes = std::pair<std::size_t, std::size_t>;
  const Endpoint from6 = *Endpoint::parse("[2606:4700::5]:5555");
  for (const char* method : {"find_node", "get", "sample_infohashes", "something_new"}) {
    CAPTURE(method);
    CHECK(ask(four, six, kFrom, method, "4:wantl2:n42:n6e") == Sizes{8, 8});
    CHECK(ask(six, four, from6, method, "4:wantl2:n42:n6e") == Sizes{8, 8});
    CHECK(ask(four, six, kFrom, method, "4:wantl2:n6e") == Sizes{0, 8});
    CHECK(ask(six, four, from6, method, "4:wantl2:n4e") == Sizes{8, 0});
    CHECK(ask(four, six, kFrom, method, "") == Sizes{8, 0});
    CHECK(ask(six, four, from6, method, "") == Sizes{0, 8});
  }
}
