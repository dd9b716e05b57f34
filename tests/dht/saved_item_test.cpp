// SPDX-License-Identifier: Apache-2.0
#include "dht/saved_item.hpp"

#include <limits>
#include <string>

#include <catch2/catch.hpp>

using namespace lodestone;
using dht::decode_item;
using dht::Item;
using wire::as_bytes;

namespace {

Item immutable(std::string_view value) {
  Item item;
  item.value.assign(value.begin(), value.end());
  return item;
}

bool same(const Item& a, const Item& b) {
  return a.value == b.value && a.key == b.key && a.salt == b.salt && a.seq == b.seq && a.signature == b.signature;
}

}  // namespace

TEST_CASE("S8 an item that is saved is the same when it is read") {
  const dht::SigningKey key{dht::SigningKey::Seed{1, 2, 3}};
  const std::string longest = "996:" + std::string(996, 'x');
  for (const Item& item :
       {immutable("5:hello"), immutable(longest), immutable("d1:ai1ee"), key.sign(as_bytes("li1ei2ee"), {}, 0),
        key.sign(as_bytes(longest), as_bytes(std::string(64, 's')), std::numeric_limits<std::int64_t>::max())}) {
    const auto raw = dht::encode(item);
    CHECK(raw.size() <= dht::kMaxSavedItem);
    const auto read = decode_item(raw);
    REQUIRE(read);
    CHECK(same(*read, item));
    // Whole or not at all.
    for (std::size_t n = 0; n < raw.size(); ++n) CHECK_FALSE(decode_item(wire::Bytes{raw}.first(n)));
  }
}

TEST_CASE("S8 what is no item in order is not read") {
  const dht::SigningKey key{dht::SigningKey::Seed{1, 2, 3}};
  Item forged = key.sign(as_bytes("1:a"), {}, 4);
  forged.seq = 5;
  CHECK_FALSE(decode_item(dht::encode(forged)));
  Item negative = key.sign(as_bytes("1:a"), {}, 4);
  negative.seq = -1;
  CHECK_FALSE(decode_item(dht::encode(negative)));
  CHECK_FALSE(decode_item(dht::encode(immutable("997:" + std::string(997, 'x')))));
  CHECK_FALSE(decode_item(as_bytes("de")));
  CHECK_FALSE(decode_item(as_bytes("i1e")));
  CHECK_FALSE(decode_item(as_bytes("d1:k3:abc3:seqi1e3:sig1:a1:v1:ae")));
  CHECK_FALSE(decode_item(as_bytes("d1:vd1:bi1e1:ai1eee")));  // keys out of order
  CHECK_FALSE(decode_item(as_bytes("d1:v1:aex")));
  CHECK(decode_item(as_bytes("d1:v1:ae")));
}
