// SPDX-License-Identifier: Apache-2.0
#include "wire/peer/ut_pex.hpp"

#include <catch2/catch.hpp>

using namespace lodestone::wire;

namespace {

std::string encoded(const UtPex& m) {
  ByteVector out;
  m.encode(out);
  return std::string{as_text(out)};
}

std::string string_of(std::size_t n, char c) { return std::to_string(n) + ":" + std::string(n, c); }

}  // namespace

TEST_CASE("one pex message carries both families with their flags") {
  UtPex m;
  m.added.push_back({*Endpoint::parse("[2001:db8::1]:6881"), PexPeer::kUtp});
  m.added.push_back({*Endpoint::parse("1.2.3.4:258"), PexPeer::kSeed | PexPeer::kOutgoing});
  m.dropped = {*Endpoint::parse("5.6.7.8:515"), *Endpoint::parse("[2001:db8::2]:1")};
  const std::string wire = encoded(m);
  CHECK(
      wire.starts_with("d5:added6:\x01\x02\x03\x04\x01\x02"
                       "7:added.f1:\x12"
                       "6:added618:"));

  const auto back = UtPex::decode(as_bytes(wire));
  REQUIRE(back);
  REQUIRE(back->added.size() == 2);  // v4 first
  CHECK(back->added[0].endpoint == m.added[1].endpoint);
  CHECK(back->added[0].flags == 0x12);
  CHECK(back->added[1].endpoint == m.added[0].endpoint);
  CHECK(back->added[1].flags == PexPeer::kUtp);
  CHECK(back->dropped == m.dropped);
  CHECK(encoded({}) == "d5:added0:7:added.f0:7:dropped0:e");
}

TEST_CASE("pex lists are cut at 200 entries of each family") {
  const std::string wire = "d5:added" + string_of(6 * 300, 'a') + "7:added.f" + string_of(300, 'f') + "6:added6" +
                           string_of(18 * 201, 'b') + "7:dropped" + string_of(6 * 200, 'c') + "8:dropped6" +
                           string_of(18 * 1000, 'd') + "e";
  const auto m = UtPex::decode(as_bytes(wire));
  REQUIRE(m);
  CHECK(m->added.size() == 400);
  CHECK(m->dropped.size() == 400);
  CHECK(m->added[199].flags == 'f');
  CHECK(m->added[200].flags == 0);  // no added6.f
}

TEST_CASE("pex tolerates ragged tails, missing flags and foreign keys") {
  const auto m = UtPex::decode(as_bytes("d5:added8:abcdefgh7:added.f0:7:dropped5:abcde3:foode1:xi1eeTAIL"));
  REQUIRE(m);
  REQUIRE(m->added.size() == 1);
  CHECK(m->added[0].flags == 0);
  CHECK(m->dropped.empty());
  CHECK(UtPex::decode(as_bytes("d5:addedi1ee"))->added.empty());
  CHECK_FALSE(UtPex::decode(as_bytes("")));
  CHECK_FALSE(UtPex::decode(as_bytes("6:abcdef")));
}
