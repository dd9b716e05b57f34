// SPDX-License-Identifier: Apache-2.0
#include "wire/base/hash.hpp"

#include <catch2/catch.hpp>

#include "wire/base/rng.hpp"

using namespace lodestone::wire;

TEST_CASE("SHA-1 and SHA-256 give the digests of FIPS 180") {
  CHECK(to_hex(sha1({})) == "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  CHECK(to_hex(sha1(as_bytes("abc"))) == "a9993e364706816aba3e25717850c26c9cd0d89d");
  CHECK(to_hex(sha256({})) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(to_hex(sha256(as_bytes("abc"))) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Sha1 hasher;
  const ByteVector chunk(1000, 'a');
  for (int i = 0; i < 1000; ++i) hasher.update(chunk);
  CHECK(to_hex(hasher.finish()) == "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
}

TEST_CASE("a hasher gives the same digest however the message is cut, and again after finish") {
  Rng rng = Rng::from_number(1);
  ByteVector message(5000);
  rng.fill(message);
  Sha1 one;
  Sha256 two;
  for (int round = 0; round < 50; ++round) {
    Bytes left{message};
    while (!left.empty()) {
      const auto n = static_cast<std::size_t>(rng.below(left.size()) + 1);
      one.update(left.first(n));
      two.update(left.first(n));
      left = left.subspan(n);
    }
    REQUIRE(one.finish() == sha1(message));
    REQUIRE(two.finish() == sha256(message));
  }
  CHECK(one.finish() == sha1({}));
}

TEST_CASE("a hasher that is moved keeps its half-read message") {
  Sha1 a;
  a.update(as_bytes("a"));
  Sha1 b = std::move(a);
  b.update(as_bytes("bc"));
  CHECK(b.finish() == sha1(as_bytes("abc")));
  Sha256 c;
  c.update(as_bytes("ab"));
  Sha256 d;
  d = std::move(c);
  d.update(as_bytes("c"));
  CHECK(d.finish() == sha256(as_bytes("abc")));
}

TEST_CASE("SipHash gives its authors' test values") {
  SipKey key;
  ByteVector message;
  for (std::uint8_t i = 0; i < 16; ++i) key[i] = i;
  CHECK(siphash(key, message) == 0x726fdb47dd0e0e31);
  for (std::uint8_t i = 0; i < 15; ++i) message.push_back(i);
  CHECK(siphash(key, message) == 0xa129ca6149be45e5);
  key[0] ^= 1;
  CHECK(siphash(key, message) != 0xa129ca6149be45e5);
}

TEST_CASE("constant-time comparison compares") {
  CHECK(equal_constant_time({}, {}));
  CHECK(equal_constant_time(as_bytes("token"), as_bytes("token")));
  CHECK_FALSE(equal_constant_time(as_bytes("token"), as_bytes("tokem")));
  CHECK_FALSE(equal_constant_time(as_bytes("uoken"), as_bytes("token")));
  CHECK_FALSE(equal_constant_time(as_bytes("token"), as_bytes("toke")));
  CHECK_FALSE(equal_constant_time({}, as_bytes("t")));
}
