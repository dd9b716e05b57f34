// SPDX-License-Identifier: Apache-2.0
#include "wire/base/endpoint.hpp"

#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "wire/base/rng.hpp"

using namespace lodestone::wire;

namespace {

Address address(std::string_view text) {
  INFO(text);
  const auto a = Address::parse(text);
  REQUIRE(a);
  return *a;
}

AddressKind kind(std::string_view text) { return address(text).kind(); }

Address mapped(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d) {
  return Address::v6({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d});
}

}  // namespace

TEST_CASE("addresses are read and written in their usual forms") {
  CHECK(Address::parse("1.2.3.4") == Address::v4(1, 2, 3, 4));
  CHECK(Address::v4(0x01020304) == Address::v4(1, 2, 3, 4));
  CHECK(Address{}.text() == "0.0.0.0");
  CHECK(Address::v4(255, 255, 255, 255).text() == "255.255.255.255");
  const std::pair<const char*, const char*> v6[] = {
      {"::", "::"},
      {"::1", "::1"},
      {"1::", "1::"},
      {"2001:DB8:0:0:0:0:0:1", "2001:db8::1"},
      {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},  // one zero group is not shortened
      {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},           // the longer run
      {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},     // the first of two equal ones
      {"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"},
      {"1:2:3:4:5:6:0:0", "1:2:3:4:5:6::"},
      {"::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"},
      {"fe80::00ab", "fe80::ab"},
      {"64:ff9b::192.0.2.33", "64:ff9b::c000:221"},
      {"1:2:3:4:5:6:7.8.9.10", "1:2:3:4:5:6:708:90a"},
  };
  for (const auto& [in, out] : v6) {
    INFO(in);
    CHECK(address(in).text() == out);
    CHECK_FALSE(address(in).is_v4());
    CHECK(Address::parse(address(in).text()) == address(in));
  }
  CHECK(Address::parse("::ffff:1.2.3.4") == Address::v4(1, 2, 3, 4));
  CHECK(Address::parse("::ffff:102:304") == Address::v4(1, 2, 3, 4));
  CHECK(mapped(1, 2, 3, 4).text() == "::ffff:1.2.3.4");
}

TEST_CASE("what is no address is refused") {
  for (const char* bad : {"",
                          "1",
                          "1.2.3",
                          "1.2.3.4.5",
                          "1.2.3.256",
                          "1.2.3.-4",
                          "01.2.3.4",
                          "1.2.3.4 ",
                          " 1.2.3.4",
                          "1..3.4",
                          "1.2.3.",
                          ".1.2.3",
                          "0x1.2.3.4",
                          "1.2.3.4444",
                          "localhost",
                          ":",
                          ":::",
                          "1:2:3:4:5:6:7",
                          "1:2:3:4:5:6:7:8:9",
                          "1:2:3:4:5:6:7:8::",
                          "::1:2:3:4:5:6:7:8",
                          "1::2::3",
                          "12345::",
                          "g::",
                          "::1%eth0",
                          "fe80::1%1",
                          "[::1]",
                          ":1",
                          "1:",
                          "::1:",
                          ":1::",
                          "::1.2.3",
                          "::1.2.3.4:5",
                          "1.2.3.4::",
                          "1:2:3:4:5:6:7:1.2.3.4",
                          "::-1",
                          "::+1",
                          "::0x1",
                          "1:2:3:4:5:6:7:8:",
                          "::1.2.3.456"}) {
    INFO(bad);
    CHECK_FALSE(Address::parse(bad));
  }
  CHECK_FALSE(Address::from_bytes(ByteVector(0)));
  CHECK_FALSE(Address::from_bytes(ByteVector(5)));
  CHECK_FALSE(Address::from_bytes(ByteVector(17)));
}

TEST_CASE("any address survives its text and its bytes") {
  Rng rng = Rng::from_number(1);
  for (int i = 0; i < 2000; ++i) {
    ByteVector raw(rng.chance(0.5) ? 4 : 16);
    for (auto& b : raw) b = rng.chance(0.6) ? std::uint8_t{0} : static_cast<std::uint8_t>(rng.below(256));
    const auto a = Address::from_bytes(raw);
    REQUIRE(a);
    REQUIRE(ByteVector(a->bytes().begin(), a->bytes().end()) == raw);
    INFO(a->text());
    REQUIRE(Address::parse(a->text()) == a);
    const Endpoint e{*a, static_cast<std::uint16_t>(rng.below(65536))};
    REQUIRE(Endpoint::parse(e.text()) == e);
    std::uint8_t compact[18];
    const std::size_t n = e.write_compact(compact);
    REQUIRE(n == Endpoint::compact_size(e.family()));
    REQUIRE(Endpoint::from_compact({compact, n}) == e);
  }
}

TEST_CASE("endpoints are read and written with their port") {
  CHECK(Endpoint::parse("1.2.3.4:6881") == Endpoint{Address::v4(1, 2, 3, 4), 6881});
  CHECK(Endpoint::parse("[::1]:1") == Endpoint{address("::1"), 1});
  CHECK(Endpoint{address("fe80::1"), 65535}.text() == "[fe80::1]:65535");
  CHECK(Endpoint::parse("1.2.3.4:0"));
  for (const char* bad :
       {"", ":", "1.2.3.4", "1.2.3.4:", ":80", "1.2.3.4:65536", "1.2.3.4:080", "1.2.3.4:-1", "::1:80", "[::1]",
        "[::1]80", "[1.2.3.4]:80", "[::1:80", "::1]:80", "[]:80", "[::1]:99999999999", "host:80"}) {
    INFO(bad);
    CHECK_FALSE(Endpoint::parse(bad));
  }
}

TEST_CASE("compact forms are 6 and 18 bytes, in network order") {
  const Endpoint e{Address::v4(127, 0, 0, 1), 6881};
  std::uint8_t raw[18];
  REQUIRE(e.write_compact(raw) == 6);
  CHECK(to_hex(Bytes{raw, 6}) == "7f0000011ae1");
  const Endpoint six{address("2001:db8::5"), 258};
  REQUIRE(six.write_compact(raw) == 18);
  CHECK(to_hex(raw) == "20010db80000000000000000000000050102");
  for (std::size_t n = 0; n < 30; ++n) {
    const bool valid = n == 6 || n == 18;
    CHECK(Endpoint::from_compact(ByteVector(n)).has_value() == valid);
  }
}

TEST_CASE("S5 every address has its kind, to the edges of the ranges") {
  using K = AddressKind;
  const std::pair<const char*, K> cases[] = {
      {"0.0.0.0", K::martian},
      {"0.255.255.255", K::martian},
      {"1.0.0.0", K::global},
      {"9.255.255.255", K::global},
      {"10.0.0.0", K::private_},
      {"10.255.255.255", K::private_},
      {"11.0.0.0", K::global},
      {"100.63.255.255", K::global},
      {"100.64.0.0", K::cgnat},
      {"100.127.255.255", K::cgnat},
      {"100.128.0.0", K::global},
      {"126.255.255.255", K::global},
      {"127.0.0.0", K::loopback},
      {"127.255.255.255", K::loopback},
      {"128.0.0.0", K::global},
      {"169.253.255.255", K::global},
      {"169.254.0.0", K::link_local},
      {"169.254.255.255", K::link_local},
      {"169.255.0.0", K::global},
      {"172.15.255.255", K::global},
      {"172.16.0.0", K::private_},
      {"172.31.255.255", K::private_},
      {"172.32.0.0", K::global},
      {"192.0.0.0", K::martian},
      {"192.0.0.255", K::martian},
      {"192.0.1.0", K::global},
      {"192.0.2.0", K::martian},
      {"192.0.3.0", K::global},
      {"192.88.99.1", K::martian},
      {"192.167.255.255", K::global},
      {"192.168.0.0", K::private_},
      {"192.168.255.255", K::private_},
      {"192.169.0.0", K::global},
      {"198.17.255.255", K::global},
      {"198.18.0.0", K::benchmark},
      {"198.19.255.255", K::benchmark},
      {"198.20.0.0", K::global},
      {"198.51.99.255", K::global},
      {"198.51.100.0", K::martian},
      {"198.51.101.0", K::global},
      {"203.0.112.255", K::global},
      {"203.0.113.255", K::martian},
      {"203.0.114.0", K::global},
      {"223.255.255.255", K::global},
      {"224.0.0.0", K::martian},
      {"239.255.255.255", K::martian},
      {"240.0.0.0", K::martian},
      {"255.255.255.255", K::martian},

      {"::", K::martian},
      {"::1", K::loopback},
      {"::2", K::martian},
      {"::1.2.3.4", K::martian},
      {"100::", K::martian},
      {"100::1", K::martian},
      {"64:ff9b::8.8.8.8", K::global},
      {"64:ff9b::10.0.0.1", K::martian},
      {"64:ff9b::127.0.0.1", K::martian},
      {"64:ff9b:1::1", K::martian},
      {"64:ff9b::1:8.8.8.8", K::martian},
      {"1fff::1", K::martian},
      {"2000::1", K::global},
      {"2001::1", K::martian},
      {"2001:2::1", K::benchmark},
      {"2001:2:1::1", K::martian},
      {"2001:1ff::1", K::martian},
      {"2001:200::1", K::global},
      {"2001:db7::1", K::global},
      {"2001:db8::1", K::martian},
      {"2001:db8:ffff::1", K::martian},
      {"2001:db9::1", K::global},
      {"2002::1", K::martian},
      {"2002:7f00:1::1", K::martian},
      {"2003::1", K::global},
      {"2a00:1450::1", K::global},
      {"3ffe::1", K::global},
      {"3fff::1", K::martian},
      {"3fff:1000::1", K::global},
      {"4000::1", K::martian},
      {"fbff::1", K::martian},
      {"fc00::1", K::private_},
      {"fdff:ffff::1", K::private_},
      {"fe00::1", K::martian},
      {"fe7f::1", K::martian},
      {"fe80::1", K::link_local},
      {"febf::1", K::link_local},
      {"fec0::1", K::martian},
      {"ff02::1", K::martian},
  };
  for (const auto& [text, expected] : cases) {
    INFO(text);
    CHECK(kind(text) == expected);
  }
  // parse() makes these v4; from the wire they come as they are, and are a way around every rule for v4.
  CHECK(mapped(8, 8, 8, 8).kind() == K::martian);
  CHECK(mapped(127, 0, 0, 1).kind() == K::martian);
}

TEST_CASE("S5 we talk to the kinds we were given, and never to martians or port 0") {
  AddressPolicy none;
  CHECK_FALSE(none.allows(address("8.8.8.8")));

  AddressPolicy p;
  p.allow_from(address("0.0.0.0"));
  CHECK(p.allows(address("8.8.8.8")));
  CHECK(p.allows(address("2a00::1")));
  CHECK_FALSE(p.allows(address("127.0.0.1")));
  CHECK_FALSE(p.allows(address("192.168.1.1")));
  CHECK_FALSE(p.allows(address("fd00::1")));

  AddressPolicy six;
  six.allow_from(address("::"));
  CHECK(six.allows(address("8.8.8.8")));
  CHECK_FALSE(six.allows(address("::1")));

  p.allow_from(address("127.0.0.1"));
  CHECK(p.allows(address("127.9.9.9")));
  CHECK(p.allows(address("::1")));
  CHECK(p.allows(address("8.8.8.8")));
  CHECK_FALSE(p.allows(address("10.0.0.1")));
  CHECK_FALSE(p.allows(address("169.254.1.1")));

  CHECK(p.allows(Endpoint{address("8.8.8.8"), 1}));
  CHECK_FALSE(p.allows(Endpoint{address("8.8.8.8"), 0}));

  p.allow(AddressKind::martian);
  p.allow_from(address("224.0.0.1"));
  CHECK_FALSE(p.allows(address("224.0.0.1")));
  CHECK_FALSE(p.allows(address("0.0.0.0")));
}

TEST_CASE("S5 a private net accepts all kinds, but no martian") {
  const AddressPolicy all = AddressPolicy::everything();
  for (const char* good : {"127.0.0.1", "10.0.0.1", "169.254.0.1", "100.64.0.1", "198.18.0.1", "8.8.8.8", "::1",
                           "fd00::1", "fe80::1", "2001:2::1", "2a00::1"}) {
    INFO(good);
    CHECK(all.allows(Endpoint{address(good), 6881}));
    CHECK_FALSE(all.allows(Endpoint{address(good), 0}));
  }
  for (const char* bad : {"0.0.0.0", "::", "224.0.0.1", "255.255.255.255", "192.0.2.1", "ff02::1", "2001:db8::1"}) {
    INFO(bad);
    CHECK_FALSE(all.allows(Endpoint{address(bad), 6881}));
  }
  CHECK_FALSE(all.allows(mapped(10, 0, 0, 1)));
}

TEST_CASE("a prefix keeps the first bits and clears the others") {
  CHECK(address("1.2.3.4").prefix(24) == address("1.2.3.0"));
  CHECK(address("255.255.255.255").prefix(20) == address("255.255.240.0"));
  CHECK(address("1.2.3.4").prefix(0) == address("0.0.0.0"));
  CHECK(address("1.2.3.4").prefix(32) == address("1.2.3.4"));
  CHECK(address("1.2.3.4").diversity_prefix() == address("1.2.3.0"));
  CHECK(address("2001:db8:1:2:3:4:5:6").diversity_prefix() == address("2001:db8:1:2::"));
  CHECK(address("2001:db8:1:2:3:4:5:6").prefix(48) == address("2001:db8:1::"));
  CHECK(address("ffff::").prefix(1) == address("8000::"));
  CHECK(address("2001:db8:1:2:3:4:5:6").prefix(128) == address("2001:db8:1:2:3:4:5:6"));
  CHECK(address("::1").prefix(0) != address("1.2.3.4").prefix(0));  // the family is part of the value
}

TEST_CASE("hashes spread over both ends of the word") {
  std::unordered_set<std::size_t> whole;
  std::unordered_set<std::size_t> low;
  std::unordered_set<std::size_t> high;
  for (std::uint16_t i = 0; i < 4096; ++i) {
    const Endpoint e{Address::v4(10, 0, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)), 6881};
    const std::size_t h = std::hash<Endpoint>{}(e);
    whole.insert(h);
    low.insert(h & 0xfff);
    high.insert(h >> 52);
    whole.insert(std::hash<Endpoint>{}(Endpoint{Address::v4(1, 2, 3, 4), static_cast<std::uint16_t>(i + 1)}));
  }
  CHECK(whole.size() == 2 * 4096);
  // 4,096 random draws from 4,096 slots hit about 2,589 of them.
  CHECK(low.size() > 2400);
  CHECK(high.size() > 2400);
  CHECK(std::hash<Address>{}(Address{}) != std::hash<Address>{}(address("::")));
  CHECK(std::hash<Address>{}(address("1.2.3.4")) == std::hash<Address>{}(Address::v4(1, 2, 3, 4)));
}
