// SPDX-License-Identifier: Apache-2.0
#include "dht/krpc.hpp"

#include <array>
#include <string>

#include <catch2/catch.hpp>

using namespace lodestone;
using namespace lodestone::dht::krpc;
using wire::as_bytes;
using wire::as_text;
using wire::ByteVector;

namespace {

const std::string kId = "abcdefghij0123456789";
const std::string kTarget = "mnopqrstuvwxyz123456";

wire::NodeId id() { return *wire::NodeId::from_bytes(as_bytes(kId)); }
wire::Key key() { return *wire::Key::from_bytes(as_bytes(kTarget)); }

/// The text stays alive as long as what is read from it.
struct Read {
  explicit Read(std::string raw) : text(std::move(raw)), result(decoder.decode(as_bytes(text))) {}
  [[nodiscard]] const Query& query() const { return std::get<Query>(result->body); }
  [[nodiscard]] const Reply& reply() const { return std::get<Reply>(result->body); }
  [[nodiscard]] int code() const { return result ? -1 : result.error().code; }
  std::string text;
  Decoder decoder;
  std::expected<Message, Rejected> result;
};

template <class F>
std::string encoded(F&& f, std::size_t room = 1'024) {
  ByteVector out(room);
  out.resize(f(wire::MutableBytes{out}));
  return std::string{as_text(out)};
}

}  // namespace

TEST_CASE("queries are written in the canonical form of BEP 5") {
  const auto our_id = id();
  const QueryHead head{0x61626364, our_id, "LD", false};
  CHECK(encoded([&](auto out) { return encode_ping(out, head); }) ==
        "d1:ad2:id20:" + kId + "e1:q4:ping1:t4:abcd1:v2:LD1:y1:qe");
  CHECK(encoded([&](auto out) { return encode_find_node(out, head, key()); }) ==
        "d1:ad2:id20:" + kId + "6:target20:" + kTarget + "e1:q9:find_node1:t4:abcd1:v2:LD1:y1:qe");
  const QueryHead ro{0x61626364, our_id, "", true};
  CHECK(encoded([&](auto out) { return encode_get_peers(out, ro, key()); }) ==
        "d1:ad2:id20:" + kId + "9:info_hash20:" + kTarget + "e1:q9:get_peers2:roi1e1:t4:abcd1:y1:qe");
  CHECK(encoded([&](auto out) { return encode_announce_peer(out, head, key(), 6881, true, as_bytes("tok")); }) ==
        "d1:ad2:id20:" + kId + "12:implied_porti1e9:info_hash20:" + kTarget +
            "4:porti6881e5:token3:toke1:q13:announce_peer1:t4:abcd1:v2:LD1:y1:qe");
}

TEST_CASE("L4 implied_port is written only when asked for") {
  const auto our_id = id();
  const QueryHead head{1, our_id, "LD", false};
  const auto text =
      encoded([&](auto out) { return encode_announce_peer(out, head, key(), 6881, false, as_bytes("t")); });
  CHECK(text.find("implied_port") == std::string::npos);
  CHECK_FALSE(Read{text}.query().implied_port);
}

TEST_CASE("every query that is written is read back") {
  const auto our_id = id();
  const QueryHead head{0x01020304, our_id, "LD\x01\x02", true};
  const Read r{
      encoded([&](auto out) { return encode_announce_peer(out, head, key(), 51413, true, as_bytes("token")); })};
  REQUIRE(r.result);
  CHECK(r.query().method == Method::announce_peer);
  CHECK(r.query().id == our_id);
  CHECK(r.query().target == key());
  CHECK(r.query().port == 51413);
  CHECK(r.query().implied_port);
  CHECK(r.query().read_only);
  CHECK(as_text(r.query().token) == "token");
  CHECK(as_text(r.result->transaction) == std::string("\1\2\3\4"));
  CHECK(as_text(r.result->version) == "LD\x01\x02");
}

TEST_CASE("a reply carries ip, nodes, token and values in canonical order") {
  const auto our_id = id();
  const dht::CompactContact node{{our_id, *wire::Endpoint::parse("1.2.3.4:258")}};
  const Bytes nodes{node.data(), 26};
  const std::string peers = "\x05\x06\x07\x08\x1a\xe1xx\x05\x06\x07\x09\x1a\xe1xx";
  const ReplyBody body{our_id,          *wire::Endpoint::parse("9.8.7.6:772"), wire::Family::v4, nodes,
                       as_bytes("tok"), {as_bytes(peers).data(), 2, 8, 6}};
  const auto text = encoded([&](auto out) { return encode_reply(out, as_bytes("aa"), "LD", body); });
  CHECK(text ==
        "d2:ip6:\x09\x08\x07\x06\x03\x04"
        "1:rd2:id20:" +
            kId + "5:nodes26:" + kId + "\x01\x02\x03\x04\x01\x02" +
            "5:token3:tok6:valuesl6:\x05\x06\x07\x08\x1a\xe1"
            "6:\x05\x06\x07\x09\x1a\xe1"
            "ee1:t2:aa1:v2:LD1:y1:re");
  const Read r{text};
  REQUIRE(r.result);
  CHECK(r.reply().external == *wire::Endpoint::parse("9.8.7.6:772"));
  CHECK(r.reply().nodes.size() == 26);
  CHECK(as_text(r.reply().token) == "tok");
  CHECK(r.reply().values->size() == 2);
}

TEST_CASE("a reply with ample room is the same as one with just enough") {
  const auto our_id = id();
  ByteVector compact;  // all different, so that none can stand for another
  for (int i = 0; i < 8 * 26; ++i) compact.push_back(static_cast<std::uint8_t>(i));
  ByteVector peers;
  for (int i = 0; i < 8 * 100; ++i) peers.push_back(static_cast<std::uint8_t>(i * 7));
  const std::string long_token(12, 't'), long_transaction(120, 'x');
  for (const char* to : {"9.8.7.6:772", "[2606:4700::1]:5"})
    for (const std::size_t n : {99u, 0u, 1u, 3u, 4u, 8u})  // 99: no nodes asked for
      for (const std::size_t values : {0u, 1u, 100u})
        for (const std::string& token : {std::string{}, std::string{"tok"}, long_token})
          for (const std::string& transaction : {std::string{}, std::string{"aa"}, long_transaction})
            for (const char* version : {"", "LD\1\2"}) {
              ReplyBody body{our_id, *wire::Endpoint::parse(to), std::nullopt, {}, as_bytes(token), {}};
              if (n != 99) {
                body.nodes_family = wire::Family::v4;
                body.nodes = Bytes{compact}.first(26 * n);
              }
              body.values = {peers.data(), values, 8, 6};
              const auto with_room = [&](std::size_t room) {
                return encoded([&](auto out) { return encode_reply(out, as_bytes(transaction), version, body); }, room);
              };
              const std::string ample = with_room(4'096);
              REQUIRE(!ample.empty());
              // A few bytes may stay free.
              for (std::size_t room = ample.size() + 4; room < ample.size() + 64; ++room)
                REQUIRE(with_room(room) == ample);
            }
}

TEST_CASE("a reply that does not fit loses values, then nodes, and never its end") {
  const auto our_id = id();
  const dht::CompactContact node{{our_id, *wire::Endpoint::parse("1.2.3.4:5")}};
  ByteVector nodes;
  for (int i = 0; i < 8; ++i) nodes.insert(nodes.end(), node.data(), node.data() + 26);
  const ByteVector peers(8 * 100, 'p');
  const ReplyBody body{
      our_id, *wire::Endpoint::parse("9.8.7.6:5"), wire::Family::v4, nodes, as_bytes("tok"), {peers.data(), 100, 8, 6}};
  std::size_t last_values = 101;
  std::size_t last_nodes = 9 * 26;
  for (std::size_t room = 1'400; room > 0; --room) {
    const auto text = encoded([&](auto out) { return encode_reply(out, as_bytes("aa"), "LD", body); }, room);
    CHECK(text.size() <= room);
    if (text.empty()) continue;
    const Read r{text};
    REQUIRE(r.result);
    CHECK(as_text(r.reply().token) == "tok");
    const std::size_t values = r.reply().values ? r.reply().values->size() : 0;
    CHECK(r.reply().nodes.size() <= last_nodes);
    // Nodes go only when hardly a value is left: what may stand there then fits into less than a node's room.
    if (r.reply().nodes.size() == 8 * 26) CHECK(values <= last_values);
    if (r.reply().nodes.size() < 8 * 26) CHECK(values <= 2);
    last_values = values;
    last_nodes = r.reply().nodes.size();
  }
  CHECK(last_values == 0);
  CHECK(last_nodes == 0);
}

TEST_CASE("S8 a put is read with its value as it came, and written as it is read") {
  dht::SigningKey::Seed seed{};
  const dht::SigningKey signing(seed);
  const std::string value = "d1:bi1e1:ai2ee";  // not canonical: that is for the store to say
  for (const bool with_key : {false, true}) {
    for (const std::string& salt : {std::string{}, std::string{"pepper"}}) {
      dht::Item item;
      item.value.assign(value.begin(), value.end());
      if (with_key) item = signing.sign(as_bytes(value), as_bytes(salt), 9);
      const auto our_id = id();
      const auto text = encoded([&](auto out) {
        return encode_put(out, {0x61616161, our_id, "LD"}, item.view(), std::int64_t{-3}, as_bytes("tok"));
      });
      REQUIRE(!text.empty());
      CHECK(text.size() <= put_size_max(item.view(), as_bytes("tok")));
      const Read r{text};
      REQUIRE(r.result);
      CHECK(r.query().method == Method::put);
      CHECK(as_text(r.query().value) == value);
      CHECK(as_text(r.query().token) == "tok");
      CHECK(r.query().key.size() == (with_key ? 32u : 0u));
      if (!with_key) continue;
      CHECK(as_text(r.query().salt) == salt);
      CHECK(r.query().seq == 9);
      CHECK(r.query().cas == -3);
      CHECK(std::equal(item.signature.begin(), item.signature.end(), r.query().signature.begin()));
    }
  }
}

TEST_CASE("S8 a put or get that lacks something, or has something of a wrong kind, is 203") {
  const std::string a = "d1:ad2:id20:" + kId;
  const std::string end = "e1:q3:put1:t1:x1:y1:qe";
  const std::string k = "1:k32:" + std::string(32, 'k'), sig = "3:sig64:" + std::string(64, 's');
  CHECK(Read{a + k + "3:seqi1e" + sig + "5:token1:t1:v1:x" + end}.result);
  CHECK(Read{a + "5:token1:t1:v1:x" + end}.result);
  for (const std::string& bad : {"1:v1:x" + end, "5:token1:t" + end, k + sig + "5:token1:t1:v1:x" + end,
                                 k + "3:seqi1e5:token1:t1:v1:x" + end, "3:seqi1e" + sig + "5:token1:t1:v1:x" + end,
                                 "1:k31:" + std::string(31, 'k') + "3:seqi1e" + sig + "5:token1:t1:v1:x" + end,
                                 k + "3:seqi1e3:sig63:" + std::string(63, 's') + "5:token1:t1:v1:x" + end,
                                 k + "3:seq1:1" + sig + "5:token1:t1:v1:x" + end, "3:cas1:x5:token1:t1:v1:x" + end,
                                 "4:salti1e5:token1:t1:v1:x" + end, std::string{"e1:q3:get1:t1:x1:y1:qe"},
                                 "3:seq1:16:target20:" + kTarget + "e1:q3:get1:t1:x1:y1:qe",
                                 std::string{"e1:q17:sample_infohashes1:t1:x1:y1:qe"}}) {
    INFO(bad);
    CHECK(Read{a + bad}.code() == kProtocolError);
  }
  // Elsewhere these keys mean nothing.
  CHECK(Read{a + "3:seq1:1e1:q4:ping1:t1:x1:y1:qe"}.result);
}

TEST_CASE("get, sample_infohashes and the keys of BEP 33 are written as they are read") {
  const auto our_id = id();
  const QueryHead head{0x61616161, our_id, "LD", false, true};
  const auto t = key();
  const auto get = encoded([&](auto out) { return encode_get(out, head, t); });
  CHECK(get == "d1:ad2:id20:" + kId + "6:target20:" + kTarget + "4:wantl2:n42:n6ee1:q3:get1:t4:aaaa1:v2:LD1:y1:qe");
  CHECK(Read{get}.query().method == Method::get);
  CHECK_FALSE(Read{get}.query().seq);
  CHECK(Read{get}.query().want_v6);
  // Others say what they have; we want all of it.
  const auto newer = "d1:ad2:id20:" + kId + "3:seqi5e6:target20:" + kTarget + "e1:q3:get1:t4:aaaa1:y1:qe";
  CHECK(Read{newer}.query().seq == 5);
  const auto sample = encoded([&](auto out) { return encode_sample_infohashes(out, head, t); });
  CHECK(Read{sample}.query().method == Method::sample_infohashes);
  CHECK(Read{sample}.query().target == t);
  const auto peers = encoded([&](auto out) { return encode_get_peers(out, head, t, {true, true}); });
  CHECK(Read{peers}.query().scrape);
  CHECK(Read{peers}.query().no_seed);
  const auto plain = encoded([&](auto out) { return encode_get_peers(out, {1, our_id, ""}, t); });
  CHECK_FALSE(Read{plain}.query().scrape);
  CHECK_FALSE(Read{plain}.query().no_seed);
  CHECK_FALSE(Read{plain}.query().want_v4);
  for (const bool seed : {false, true}) {
    const auto announce =
        encoded([&](auto out) { return encode_announce_peer(out, head, t, 80, true, as_bytes("t"), seed); });
    CHECK(Read{announce}.query().seed == seed);
  }
  for (const auto& text : {get, sample, peers}) CHECK(text.size() <= kQueryMax);
}

TEST_CASE("a reply with everything in it is canonical and is read as it was written") {
  const auto our_id = id();
  const wire::Endpoint to = GENERATE(*wire::Endpoint::parse("9.8.7.6:5"), *wire::Endpoint::parse("[2606:4700::1]:5"));
  const dht::CompactContact v4{{our_id, *wire::Endpoint::parse("1.2.3.4:5")}};
  const dht::CompactContact v6{{our_id, *wire::Endpoint::parse("[2606:4700::2]:6")}};
  ByteVector four(v4.data(), v4.data() + 26);
  four.insert(four.end(), v4.data(), v4.data() + 26);
  const Bytes six{v6.data(), 38};
  const bool is_v4 = to.address.is_v4();
  dht::SigningKey::Seed seed{};
  const dht::Item item = dht::SigningKey(seed).sign(as_bytes("1:x"), {}, 77);
  const auto view = item.view();
  const ItemBody item_body{view.value, &*view.signed_by};
  const std::string hashes(40, 'h'), seeds(256, 's'), others(256, 'p');
  const SamplesBody samples{as_bytes(hashes), 300, 123'456'789'012};
  const ScrapeBody scrape{as_bytes(seeds), as_bytes(others)};
  ReplyBody body{our_id, to, to.family(), {}, as_bytes("tok"), {}};
  if (is_v4) {
    body.nodes = four;
    body.other_nodes = six;
  } else {
    body.nodes = six;
    body.other_nodes = four;
  }
  body.item = &item_body;
  body.samples = &samples;
  body.scrape = &scrape;
  const auto text = encoded([&](auto out) { return encode_reply(out, as_bytes("aa"), "LD", body); }, 2'000);
  wire::bencode::Document strict;
  wire::bencode::Limits limits;
  limits.strict = true;
  CHECK(strict.parse(as_bytes(text), limits));
  const Read r{text};
  REQUIRE(r.result);
  CHECK(r.reply().nodes.size() == 2 * 26);
  CHECK(r.reply().nodes6.size() == 38);
  CHECK(as_text(r.reply().token) == "tok");
  CHECK(as_text(*r.reply().samples) == hashes);
  CHECK(r.reply().interval == 300);
  CHECK(r.reply().num == 123'456'789'012);
  CHECK(as_text(r.reply().seeds_filter) == seeds);
  CHECK(as_text(r.reply().peers_filter) == others);
  const auto got = r.reply().item({});
  REQUIRE(got);
  CHECK(as_text(got->value) == "1:x");
  REQUIRE(got->signed_by);
  CHECK(got->signed_by->seq == 77);
  CHECK(dht::signature_holds(got->value, *got->signed_by));
  // With less room, nodes go; the item stays, or there is no reply at all.
  for (std::size_t room = text.size(); room > 0; --room) {
    const auto less = encoded([&](auto out) { return encode_reply(out, as_bytes("aa"), "LD", body); }, room);
    if (less.empty()) continue;
    const Read s{less};
    REQUIRE(s.result);
    CHECK(s.reply().item({}));
    CHECK(s.reply().samples);
    CHECK(as_text(s.reply().token) == "tok");
  }
}

TEST_CASE("parts of an item that do not make one are none") {
  const std::string head = "d1:rd2:id20:" + kId;
  const std::string k = "1:k32:" + std::string(32, 'k'), sig = "3:sig64:" + std::string(64, 's'),
                    end = "1:v1:xe1:t2:aa1:y1:re";
  CHECK(Read{head + end}.reply().item({}));
  CHECK_FALSE(Read{head + end}.reply().item({})->signed_by);
  CHECK(Read{head + k + "3:seqi1e" + sig + end}.reply().item({})->signed_by);
  CHECK_FALSE(Read{head + k + sig + end}.reply().item({}));
  CHECK_FALSE(Read{head + k + "3:seqi1e" + end}.reply().item({}));
  CHECK_FALSE(Read{head + "3:seqi1e" + "e1:t2:aa1:y1:re"}.reply().item({}));
  CHECK(Read{head + "4:BFsd3:abc7:samplesi1e" + end}.reply().seeds_filter.empty());
}

TEST_CASE("S9 an unknown query with a target or an info_hash is understood, without it is 204") {
  const Read a{"d1:ad2:id20:" + kId + "6:target20:" + kTarget + "e1:q4:vote1:t1:x1:y1:qe"};
  REQUIRE(a.result);
  CHECK(a.query().method == Method::other);
  CHECK(a.query().target == key());
  const Read b{"d1:ad2:id20:" + kId + "9:info_hash20:" + kTarget + "e1:q4:vote1:t1:x1:y1:qe"};
  REQUIRE(b.result);
  CHECK(b.query().target == key());
  const Read c{"d1:ad2:id20:" + kId + "e1:q4:vote1:t1:x1:y1:qe"};
  CHECK(c.code() == kMethodUnknown);
  CHECK(as_text(c.result.error().transaction) == "x");
}

TEST_CASE("S3 a malformed query is 203, garbage is nothing at all") {
  const std::string a = "d1:ad2:id20:" + kId;
  for (const std::string& bad :
       {std::string{"d1:ad2:id3:abce1:q4:ping1:t1:x1:y1:qe"}, std::string{"d1:ade1:q4:ping1:t1:x1:y1:qe"},
        std::string{"d1:q4:ping1:t1:x1:y1:qe"}, std::string{"d1:a1:x1:q4:ping1:t1:x1:y1:qe"}, a + "e1:t1:x1:y1:qe",
        a + "e1:qi4e1:t1:x1:y1:qe", a + "e1:q9:find_node1:t1:x1:y1:qe",
        a + "6:target19:" + kTarget.substr(1) + "e1:q9:find_node1:t1:x1:y1:qe", a + "e1:q9:get_peers1:t1:x1:y1:qe",
        a + "6:target20:" + kTarget + "e1:q9:get_peers1:t1:x1:y1:qe",
        a + "9:info_hash20:" + kTarget + "4:porti0e5:token1:te1:q13:announce_peer1:t1:x1:y1:qe",
        a + "9:info_hash20:" + kTarget + "4:porti65536e5:token1:te1:q13:announce_peer1:t1:x1:y1:qe",
        a + "9:info_hash20:" + kTarget + "4:porti-1e5:token1:te1:q13:announce_peer1:t1:x1:y1:qe",
        a + "9:info_hash20:" + kTarget + "4:porti80ee1:q13:announce_peer1:t1:x1:y1:qe"}) {
    INFO(bad);
    CHECK(Read{bad}.code() == kProtocolError);
  }
  for (const std::string& garbage :
       {std::string{}, std::string{"d"}, std::string{"de"}, std::string{"le"}, std::string{"i1e"}, std::string{"hello"},
        a + "e1:q4:ping1:y1:qe",        // no t
        a + "e1:q4:ping1:ti7e1:y1:qe",  // t is no string
        a + "e1:q4:ping1:t1:xe",        // no y
        a + "e1:q4:ping1:t1:x1:y1:ze",  // an unknown y
        std::string{"d1:rde1:t1:x1:y1:re"}, std::string{"d1:rd2:id3:abce1:t1:x1:y1:re"},
        std::string{"d1:t1:x1:y1:re"}}) {
    INFO(garbage);
    CHECK(Read{garbage}.code() == 0);
  }
}

TEST_CASE("unknown keys, any order and trailing bytes do not matter") {
  const Read r{"d1:y1:q1:t0:2:zzi5e1:q4:ping1:ad3:fool1:xe2:id20:" + kId + "ee\r\n"};
  REQUIRE(r.result);
  CHECK(r.query().method == Method::ping);
  CHECK(r.result->transaction.empty());
}

TEST_CASE("L9 want names families and nothing else") {
  const auto want = [](const std::string& list) {
    return Read{"d1:ad2:id20:" + kId + "6:target20:" + kTarget + "4:want" + list + "e1:q9:find_node1:t1:x1:y1:qe"};
  };
  CHECK(want("l2:n4e").query().want_v4);
  CHECK_FALSE(want("l2:n4e").query().want_v6);
  CHECK(want("l2:n62:n4e").query().want_v6);
  CHECK(want("l2:n62:n4e").query().want_v4);
  CHECK_FALSE(want("l2:n5i3ee").query().want_v4);
  CHECK_FALSE(want("2:n4").query().want_v4);
}

TEST_CASE("an error reply is recognised whatever it says") {
  const Read a{"d1:eli203e5:Oops!e1:t2:aa1:y1:ee"};
  REQUIRE(a.result);
  CHECK(std::get<ErrorReply>(a.result->body).code == 203);
  CHECK(Read{"d1:e3:huh1:t2:aa1:y1:ee"}.result);
  CHECK(Read{"d1:t2:aa1:y1:ee"}.result);
  const auto text = encoded([&](auto out) { return encode_error(out, as_bytes("aa"), "LD", 204, "what"); });
  CHECK(text == "d1:eli204e4:whate1:t2:aa1:v2:LD1:y1:ee");
}
