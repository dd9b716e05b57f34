// SPDX-License-Identifier: Apache-2.0
#include "dht/krpc_fast.hpp"

#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/support/same_message.hpp"

using namespace lodestone;
using namespace lodestone::dht::krpc;
using wire::as_bytes;
using wire::as_text;

namespace {

const std::string kA = "d1:ad2:id20:abcdefghij0123456789";
const std::string kHash = "9:info_hash20:mnopqrstuvwxyz123456";
const std::string kTarget = "6:target20:mnopqrstuvwxyz123456";

/// As real nodes write them.
std::vector<std::string> usual_queries() {
  return {
      kA + "e1:q4:ping1:t2:aa1:v4:LT\1\2"
           "1:y1:qe",
      kA + "e1:q4:ping1:t0:1:y1:qe",
      kA + kTarget + "e1:q4:ping1:t2:aa1:y1:qe",
      kA + kTarget +
          "e1:q9:find_node1:t4:aaaa1:v4:UT\1\2"
          "1:y1:qe",
      "d1:ad2:bsi1e" + kA.substr(5) + kTarget +
          "e1:q9:find_node1:t4:aaaa1:v4:UT\1\2"
          "1:y1:qe",
      kA + kTarget +
          "4:wantl2:n42:n6ee1:q9:find_node2:roi1e1:t2:aa1:v4:LT\1\2"
          "1:y1:qe",
      kA + kTarget +
          "4:wantl2:n6ee1:q9:find_node1:t4:fn\1\2"
          "1:y1:qe",
      kA + kTarget + "4:wantlee2:ip6:1234561:q9:find_node2:roi0e1:t1:a1:v0:1:y1:qe",
      kA + kTarget + "e1:q17:sample_infohashes1:t2:aa1:y1:qe",
      kA + kTarget + "e1:q3:get1:t2:aa1:y1:qe",
      kA + kHash + "e1:q9:get_peers1:t2:aa1:y1:qe",
      kA + kHash +
          "6:noseedi1e6:scrapei1e4:wantl2:n4ee1:q9:get_peers1:t6:aaaaaa1:v4:ml\1\2"
          "1:y1:qe",
      kA + kHash + "4:porti6881e5:token8:12345678e1:q13:announce_peer1:t2:aa1:y1:qe",
      kA + "12:implied_porti1e" + kHash +
          "4:name6:sample4:porti65535e4:seedi1e5:token20:12345678901234567890e1:q13:announce_peer1:t2:aa1:v2:LD1:y1:qe",
      kA + "12:implied_porti1e" + kHash + "5:token1:xe1:q13:announce_peer1:t" + "99:" + std::string(99, 't') +
          "1:y1:qe",
  };
}

/// Both ways say the same; true when the short one took it.
bool agree(const std::string& text) {
  Decoder decoder, other;
  Message taken;
  const bool usual = read_usual_query(as_bytes(text), taken);
  const auto full = decoder.decode_any(as_bytes(text));
  const auto decoded = other.decode(as_bytes(text));
  INFO(text);
  REQUIRE(decoded.has_value() == full.has_value());
  if (!full) {
    CHECK(decoded.error().code == full.error().code);
    CHECK(decoded.error().reason == full.error().reason);
    CHECK(as_text(decoded.error().transaction) == as_text(full.error().transaction));
    REQUIRE_FALSE(usual);
  } else if (std::holds_alternative<Query>(full->body)) {
    REQUIRE(test::same_message(*decoded, *full));
    if (usual) REQUIRE(test::same_message(taken, *full));
  } else {
    REQUIRE_FALSE(usual);
  }
  return usual;
}

}  // namespace

TEST_CASE("the usual queries go the short way and mean the same") {
  for (const std::string& text : usual_queries()) {
    INFO(text);
    CHECK(agree(text));
  }
}

TEST_CASE("where an info-hash is likely to be, it is, and nothing is read beyond the end") {
  const std::string end = "1:t2:aa1:y1:qe";
  const std::string with_bs = "d1:ad2:bsi1e" + kA.substr(5);
  for (const std::string& text : {kA + kHash + "e1:q9:get_peers" + end, with_bs + kHash + "e1:q9:get_peers" + end,
                                  kA + kHash + "4:porti6881e5:token8:12345678e1:q13:announce_peer" + end}) {
    INFO(text);
    const std::uint8_t* found = likely_info_hash(as_bytes(text));
    const std::size_t at = text.find("mnop");
    REQUIRE(found == as_bytes(text).data() + at);
    CHECK(likely_info_hash(as_bytes(text).first(at + 20)) == found);
    for (std::size_t n = 0; n < at + 20; ++n) REQUIRE(likely_info_hash(as_bytes(text).first(n)) == nullptr);
  }
  for (const std::string& text : {kA + kTarget + "e1:q9:find_node" + end, kA + "e1:q4:ping" + end,
                                  std::string(100, 'x'), kA + "12:implied_porti1e" + kHash}) {
    INFO(text);
    CHECK(likely_info_hash(as_bytes(text)) == nullptr);
  }
}

TEST_CASE("no part of a usual query is one") {
  for (const std::string& text : usual_queries())
    for (std::size_t n = 0; n < text.size(); ++n) CHECK_FALSE(agree(text.substr(0, n)));
}

TEST_CASE("a usual query with one byte changed is read as the full parser reads it") {
  std::size_t taken = 0, left = 0;
  for (const std::string& text : usual_queries()) {
    for (std::size_t i = 0; i < text.size(); ++i) {
      std::string changed = text;
      for (const char c : std::string{"\0\xff"
                                      "019:eild-aq",
                                      12}) {
        changed[i] = c;
        ++(agree(changed) ? taken : left);
      }
      for (int bit = 0; bit < 8; ++bit) {
        changed[i] = static_cast<char>(text[i] ^ (1 << bit));
        ++(agree(changed) ? taken : left);
      }
      // One byte less, one byte more.
      std::string other = text;
      agree(other.erase(i, 1));
      other = text;
      agree(other.insert(i, 1, 'e'));
    }
  }
  CHECK(taken > 1'000);  // in ids, tokens and names any byte will do
  CHECK(left > 1'000);
}

TEST_CASE("what is unusual is left to the full parser, whatever it makes of it") {
  const std::string end = "1:t2:aa1:y1:qe";
  for (const std::string& text : {
           std::string{"d1:y1:q1:t2:aa1:q4:ping1:ad2:id20:abcdefghij0123456789ee"},  // another order
           kA + "e1:q4:ping" + end + "\r\n",                                         // something behind it
           kA + "e1:q4:pong" + end,                                                  // an unknown method
           kA + "e1:q4:ping1:t02:aa1:y1:qe",                                         // a padded length
           kA + "e1:q4:ping1:t100:" + std::string(100, 't') + "1:y1:qe",             // a long one
           kA + "e1:q4:ping2:roi2e" + end,                                           // true, but not 1
           kA + "1:v1:xe1:q4:ping" + end,                                            // a key of an item
           kA + kHash + "e1:q9:find_node" + end,                                     // lacks its target
           kA + kHash + kTarget + "e1:q9:get_peers" + end,                           // has one too many
           kA + kHash + "4:porti0e5:token1:xe1:q13:announce_peer" + end,             // no port
           kA + kHash + "4:porti65536e5:token1:xe1:q13:announce_peer" + end,         // nor is this
           kA + kHash + "4:porti080e5:token1:xe1:q13:announce_peer" + end,           // padded
           kA + kHash + "4:porti80e5:token0:e1:q13:announce_peer" + end,             // an empty token
           kA + kHash + "5:token1:xe1:q13:announce_peer" + end,                      // neither port nor implied
           kA + kTarget + "4:wantl2:n42:n42:n4ee1:q9:find_node" + end,               // one family three times
           kA + "e1:q4:ping1:t2:aa1:v2:LD1:y1:re",                                   // no query
       }) {
    INFO(text);
    CHECK_FALSE(agree(text));
  }
}
