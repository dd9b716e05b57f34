// SPDX-License-Identifier: Apache-2.0
#include "dht/item.hpp"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <string>

#include <catch2/catch.hpp>

using namespace lodestone;
using dht::ItemView;
using dht::MutablePart;
using wire::as_bytes;

namespace {

template <class Array>
Array from_hex(const char* text) {
  const auto raw = *wire::from_hex(text);
  Array out;
  if (raw.size() != out.size()) std::abort();  // before main: Catch2 is not there yet
  std::copy(raw.begin(), raw.end(), out.begin());
  return out;
}

// BEP 44's test vectors.
constexpr std::string_view kValue = "12:Hello World!";
const auto kKey = from_hex<dht::PublicKey>("77ff84905a91936367c01360803104f92432fcd904a43511876df5cdf3e7e548");
const auto kSignature = from_hex<dht::Signature>(
    "305ac8aeb6c9c151fa120f120ea2cfb923564e11552d06a5d856091e5e853cff"
    "1260d3f39e4999684aa92eb73ffd136e6f4f3ecbfda0ce53a1608ecd7ae21f01");
const auto kSaltedSignature = from_hex<dht::Signature>(
    "6834284b6b24c3204eb2fea824d82f88883a3d95e8b4a21b8c0ded553d17d17d"
    "df9a8a7104b1258f30bed3787e6cb896fca78c58f8e03b5f18f14951a87d9a08");

bool canonical(std::string_view value) {
  wire::bencode::Document scratch;
  return dht::is_canonical_value(as_bytes(value), scratch);
}

}  // namespace

TEST_CASE("S8 BEP 44: the specification's mutable item has its target and its signature") {
  const MutablePart part{kKey, {}, 1, kSignature};
  const ItemView item{as_bytes(kValue), part};
  CHECK(item.target().hex() == "4a533d47ec9c7d95b1ad75f576cffc641853b750");
  CHECK(dht::signature_holds(item.value, part));
}

TEST_CASE("S8 BEP 44: the specification's salted item has its target and its signature") {
  const MutablePart part{kKey, as_bytes("foobar"), 1, kSaltedSignature};
  const ItemView item{as_bytes(kValue), part};
  CHECK(item.target().hex() == "411eba73b6f087ca51a3795d9c8c938d365e32c1");
  CHECK(dht::signature_holds(item.value, part));
}

TEST_CASE("S8 BEP 44: the specification's immutable item has its target") {
  CHECK(ItemView{as_bytes(kValue), std::nullopt}.target().hex() == "e5f96f6f38320f0f33959cb4d3d656452117aadb");
}

TEST_CASE("S8 a signature covers value, number, salt and key, each of them") {
  const MutablePart good{kKey, as_bytes("foobar"), 1, kSaltedSignature};
  REQUIRE(dht::signature_holds(as_bytes(kValue), good));
  CHECK_FALSE(dht::signature_holds(as_bytes("12:Hello World?"), good));
  auto part = good;
  part.seq = 2;
  CHECK_FALSE(dht::signature_holds(as_bytes(kValue), part));
  part = good;
  part.salt = as_bytes("foobaz");
  CHECK_FALSE(dht::signature_holds(as_bytes(kValue), part));
  part = good;
  part.salt = {};
  CHECK_FALSE(dht::signature_holds(as_bytes(kValue), part));
  for (std::size_t i = 0; i < 64; ++i) {
    part = good;
    part.signature[i] ^= 1;
    CHECK_FALSE(dht::signature_holds(as_bytes(kValue), part));
  }
  part = good;
  part.key[3] ^= 1;
  CHECK_FALSE(dht::signature_holds(as_bytes(kValue), part));
  part = good;
  part.key = {};  // a point of small order: every signature would hold
  part.signature = {};
  CHECK_FALSE(dht::signature_holds(as_bytes(kValue), part));
}

TEST_CASE("S8 what we sign holds, at the largest sizes and numbers, too") {
  dht::SigningKey::Seed seed{};
  seed[0] = 7;
  const dht::SigningKey key(seed);
  const std::string value = "995:" + std::string(995, 'x');
  REQUIRE(value.size() == 999);
  for (const std::int64_t seq : {std::int64_t{0}, std::int64_t{1}, std::numeric_limits<std::int64_t>::max()}) {
    for (const std::string& salt : {std::string{}, std::string{"s"}, std::string(64, '\0')}) {
      const dht::Item item = key.sign(as_bytes(value), as_bytes(salt), seq);
      CHECK(item.key == key.public_key());
      CHECK(item.seq == seq);
      CHECK(dht::signature_holds(item.value, *item.view().signed_by));
      CHECK(item.target() == dht::mutable_target(key.public_key(), as_bytes(salt)));
      CHECK(dht::Item(item.view()).view().target() == item.target());
    }
  }
  auto part = *key.sign(as_bytes(value), {}, 5).view().signed_by;
  part.seq = -5;
  CHECK_FALSE(dht::signature_holds(as_bytes(value), part));
}

TEST_CASE("S8 only canonical bencode is a value") {
  for (const std::string_view good :
       {"i0e", "i-1e", "0:", "le", "de", "12:Hello World!", "d1:ai1e1:b2:xye", "lli1eee"}) {
    CAPTURE(good);
    CHECK(canonical(good));
  }
  for (const std::string_view bad :
       {"", "i00e", "i-0e", "i01e", "d1:bi1e1:ai1ee", "d1:ai1e1:ai1ee", "01:x", "i1ei2e", "3:ab", "l", "x", "1:ab"}) {
    CAPTURE(bad);
    CHECK_FALSE(canonical(bad));
  }
}
