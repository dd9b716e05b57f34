// SPDX-License-Identifier: Apache-2.0
#include "magnet/uri.hpp"

#include <string>

#include <catch2/catch.hpp>

namespace lodestone::magnet {
namespace {

const std::string kHex = "0123456789abcdef0123456789abcdef01234567";
const std::string kHex2 = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

MagnetUri good(const std::string& text) {
  const auto uri = parse_magnet(text);
  INFO(text);
  REQUIRE(uri);
  return *uri;
}

UriError bad(const std::string& text) {
  const auto uri = parse_magnet(text);
  INFO(text);
  REQUIRE_FALSE(uri);
  return uri.error();
}

TEST_CASE("a magnet link is read in full") {
  const auto uri =
      good("magnet:?xt=urn:btih:" + kHex + "&dn=a+b%20c&xl=42&tr=udp%3A%2F%2Ft.example%3A80&tr.1=http://u/" +
           "&ws=http%3A%2F%2Fw%2F&x.pe=1.2.3.4:5&x.pe=[2001:db8::1]:6&dht=router.example:6881&so=0,2,6-8" +
           "&xt.2=urn:btmh:1220" + kHex2 + "&foo=bar");
  CHECK(uri.info_hash->hex() == kHex);
  CHECK(wire::to_hex(*uri.info_hash_v2) == kHex2);
  CHECK(uri.name == "a b c");
  CHECK(uri.size == 42u);
  CHECK(uri.trackers == std::vector<std::string>{"udp://t.example:80", "http://u/"});
  CHECK(uri.webseeds == std::vector<std::string>{"http://w/"});
  CHECK(uri.peers == std::vector<HostPort>{{"1.2.3.4", 5}, {"2001:db8::1", 6}});
  CHECK(uri.nodes == std::vector<HostPort>{{"router.example", 6881}});
  CHECK(uri.select == std::vector<IndexRange>{{0, 0}, {2, 2}, {6, 8}});
  CHECK_FALSE(uri.public_key);
}

TEST_CASE("a base32 topic, capitals and HTML escapes are understood") {
  const auto uri = good("MAGNET:?XT=URN:BTIH:AERUKZ4JVPG66AJDIVTYTK6N54ASGRLH&amp;DN=x");
  CHECK(uri.info_hash->hex() == kHex);
  CHECK(uri.name == "x");
  CHECK(good("magnet:?xt.1=urn%3Abtih%3A" + kHex).info_hash->hex() == kHex);
}

TEST_CASE("foreign topics beside a known one are ignored, alone they are not enough") {
  CHECK(good("magnet:?xt=urn:sha1:YNCKHTQCWBTRNJIV4WNAE52SJUQCZO5C&xt=urn:btih:" + kHex).info_hash);
  CHECK(good("magnet:?xt=urn:btmh:1114" + kHex + "&xt=urn:btih:" + kHex).info_hash);
  CHECK(bad("magnet:?xt=urn:sha1:YNCKHTQCWBTRNJIV4WNAE52SJUQCZO5C").message.find("xt") != std::string::npos);
  bad("magnet:?");
  bad("magnet:?dn=only");
}

TEST_CASE("malformed links are refused with the offset of the value") {
  CHECK(bad("http://example").offset == 0);
  CHECK(bad("magnet:xt=urn:btih:" + kHex).offset == 0);
  CHECK(bad("magnet:?dn=a&xt=urn:btih:" + kHex.substr(1)).offset == 16);
  CHECK(bad("magnet:?xt=urn:btih:" + kHex.substr(1) + "g").offset == 11);
  CHECK(bad("magnet:?xt=urn:btmh:1220" + kHex).offset == 11);
  CHECK(bad("magnet:?xt=urn:btih:" + kHex + "&so=5-3").offset == 64);
  CHECK(bad("magnet:?xt=urn:btih:" + kHex + "&so=x").message.starts_with("so:"));
  CHECK(bad("magnet:?xs=urn:btpk:00").message.starts_with("xs:"));
  CHECK(bad("magnet:?xt=urn:btih:" + kHex + "&s=" + std::string(130, '0')).message.starts_with("s:"));
  bad("magnet:?xt=urn:btih:" + kHex + "&dn=" + std::string(1u << 20, 'a'));
}

TEST_CASE("hints that make no sense are no hints") {
  const auto uri =
      good("magnet:?xt=urn:btih:" + kHex + "&xl=99999999999999999999&x.pe=nowhere&x.pe=1.2.3.4:0&x.pe=a:65536" +
           "&x.pe=[1.2.3.4]:5&x.pe=::1:5&dht=h%20x:1&dn=%ff%zz&tr=");
  CHECK_FALSE(uri.size);
  CHECK(uri.peers.empty());
  CHECK(uri.nodes.empty());
  CHECK(uri.trackers.empty());
  CHECK(uri.name == "\xEF\xBF\xBD%zz");
}

TEST_CASE("M7 a selection of all 64-bit indices is two numbers") {
  const auto uri = good("magnet:?xt=urn:btih:" + kHex + "&so=0-18446744073709551615");
  REQUIRE(uri.select.size() == 1);
  CHECK(uri.select[0] == IndexRange{0, 18446744073709551615u});
  const auto beyond = good("magnet:?xt=urn:btih:" + kHex + "&so=7-99999999999999999999999");
  CHECK(beyond.select[0] == IndexRange{7, 18446744073709551615u});
}

TEST_CASE("M7 indices that are named again and again are kept once") {
  std::string text = "magnet:?xt=urn:btih:" + kHex + "&so=";
  for (int i = 0; i < 40'000; ++i) text += "0-18446744073709551615,";
  const auto uri = good(text);
  REQUIRE(uri.select.size() == 1);
  CHECK(uri.select[0] == IndexRange{0, 18446744073709551615u});
  CHECK(good("magnet:?xt=urn:btih:" + kHex + "&so=9,3-5,4-7,1,8&so=12,9-10,2").select ==
        std::vector<IndexRange>{{1, 10}, {12, 12}});
}

TEST_CASE("peers given in a link are bounded") {
  std::string text = "magnet:?xt=urn:btih:" + kHex;
  for (int i = 1; i < 2000; ++i) text += "&x.pe=h" + std::to_string(i) + ":1&x.pe=h" + std::to_string(i) + ":1";
  const auto uri = good(text);
  CHECK(uri.peers.size() == 256);
  CHECK(uri.peers[255] == HostPort{"h256", 1});
}

TEST_CASE("BEP 46 links have a key and no topic") {
  const auto uri = good("magnet:?xs=urn:btpk:" + kHex2 + "&s=6E");
  CHECK(uri.public_key == kHex2);
  CHECK(uri.salt == "6e");
  CHECK_FALSE(uri.info_hash);
}

TEST_CASE("to_uri round-trips") {
  MagnetUri uri;
  uri.info_hash = wire::InfoHash::from_hex(kHex);
  uri.info_hash_v2.emplace();
  uri.name = "a & b=c #1 +ü";
  uri.size = 7;
  uri.trackers = {"udp://t:1/announce?x=1&y=2"};
  uri.webseeds = {"http://w/a%20b"};
  uri.peers = {{"::1", 5}, {"h", 6}};
  uri.nodes = {{"r.example", 7}};
  uri.select = {{1, 1}, {3, 18446744073709551615u}};
  uri.public_key = kHex2;
  uri.salt = "00ff";
  const std::string text = uri.to_uri();
  const auto back = good(text);
  CHECK(back.info_hash == uri.info_hash);
  CHECK(back.info_hash_v2 == uri.info_hash_v2);
  CHECK(back.name == uri.name);
  CHECK(back.size == uri.size);
  CHECK(back.trackers == uri.trackers);
  CHECK(back.webseeds == uri.webseeds);
  CHECK(back.peers == uri.peers);
  CHECK(back.nodes == uri.nodes);
  CHECK(back.select == uri.select);
  CHECK(back.public_key == uri.public_key);
  CHECK(back.salt == uri.salt);
  CHECK(back.to_uri() == text);
}

TEST_CASE("a target is a hash or a link") {
  CHECK(parse_target(kHex)->info_hash->hex() == kHex);
  CHECK(parse_target("AERUKZ4JVPG66AJDIVTYTK6N54ASGRLH")->info_hash->hex() == kHex);
  CHECK(wire::to_hex(*parse_target(kHex2)->info_hash_v2) == kHex2);
  CHECK(parse_target("magnet:?xt=urn:btih:" + kHex)->info_hash->hex() == kHex);
  CHECK_FALSE(parse_target(kHex.substr(1)));
  CHECK_FALSE(parse_target(""));
}

TEST_CASE("host and port") {
  CHECK(HostPort::parse("a.b-c_d:65535") == HostPort{"a.b-c_d", 65535});
  CHECK(HostPort::parse("[::1]:1")->text() == "[::1]:1");
  CHECK(HostPort::parse("1.2.3.4:1")->text() == "1.2.3.4:1");
  for (const char* text : {"", ":1", "a", "a:", "a:+1", "a:1x", "a b:1", "[]:1", "[a]:1", "a/b:1", "a@b:1"})
    CHECK_FALSE(HostPort::parse(text));
  CHECK_FALSE(HostPort::parse(std::string(254, 'a') + ":1"));
}

}  // namespace
}  // namespace lodestone::magnet
