// SPDX-License-Identifier: Apache-2.0
#include "dht/snapshot.hpp"

#include <catch2/catch.hpp>

#include "wire/base/rng.hpp"

using namespace lodestone;
using dht::SnapshotError;

TEST_CASE("a snapshot survives a round trip") {
  auto rng = wire::Rng::from_number(1);
  dht::Snapshot s;
  s.id = rng.id<wire::NodeId>();
  for (std::uint16_t i = 1; i < 300; ++i) {
    const auto address = i % 2 ? wire::Address::v4(11, 0, 0, 1) : *wire::Address::parse("2606:4700::1");
    s.contacts.push_back({rng.id<wire::NodeId>(), {address, i}, 1'700'000'000 + i});
  }
  const auto raw = dht::encode(s);
  const auto back = dht::decode(raw);
  REQUIRE(back);
  CHECK(back->id == s.id);
  REQUIRE(back->contacts.size() == s.contacts.size());
  for (std::size_t i = 0; i < s.contacts.size(); ++i) {
    CHECK(back->contacts[i].id == s.contacts[i].id);
    CHECK(back->contacts[i].endpoint == s.contacts[i].endpoint);
    CHECK(back->contacts[i].last_seen == s.contacts[i].last_seen);
  }
  CHECK(dht::encode(*back) == raw);
  for (std::size_t n = 0; n < raw.size(); ++n) CHECK_FALSE(dht::decode(wire::Bytes{raw}.first(n)));
}

TEST_CASE("a damaged snapshot is refused with the reason, odd contacts are skipped") {
  const auto error = [](std::string_view text) { return dht::decode(wire::as_bytes(text)).error(); };
  CHECK(error("") == SnapshotError::not_bencode);
  CHECK(error("hello") == SnapshotError::not_bencode);
  CHECK(error("le") == SnapshotError::not_a_snapshot);
  CHECK(error("de") == SnapshotError::not_a_snapshot);
  CHECK(error("d8:contactsle6:formati2e2:id20:abcdefghij0123456789e") == SnapshotError::unknown_format);
  CHECK(error("d8:contactsle6:formati1e2:id3:abce") == SnapshotError::bad_id);
  CHECK(error(std::string(5 << 20, 'x')) == SnapshotError::too_large);
  CHECK(error("d8:contactsl" + std::string(60'000, 'l') + std::string(60'000, 'e') + "ee") ==
        SnapshotError::not_bencode);
  const auto odd = dht::decode(wire::as_bytes("d8:contactsl3:abci7elee6:formati1e2:id20:abcdefghij0123456789e"));
  REQUIRE(odd);
  CHECK(odd->contacts.empty());
  CHECK_FALSE(dht::describe(SnapshotError::bad_id).empty());
}

TEST_CASE("more contacts than are ever read are not written") {
  dht::Snapshot s;
  s.contacts.resize(dht::kMaxSavedContacts + 5, {{}, {wire::Address::v4(1, 2, 3, 4), 5}, 1});
  const auto back = dht::decode(dht::encode(s));
  REQUIRE(back);
  CHECK(back->contacts.size() == dht::kMaxSavedContacts);
}
