// SPDX-License-Identifier: Apache-2.0
#include "dht/snapshot.hpp"

#include <algorithm>
#include <string>

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
    s.contacts.push_back({rng.id<wire::NodeId>(),
                          {address, i},
                          1'700'000'000 + i,
                          std::chrono::milliseconds(3 * i),
                          i % 3 == 0,
                          dht::client_version(wire::as_bytes(i % 2 ? "LT\x02\x01" : ""))});
  }
  s.saved = 1'700'001'000;
  for (std::uint16_t i = 1; i < 100; ++i) {
    const auto address = i % 3 ? wire::Address::v4(12, 0, 0, 1) : *wire::Address::parse("2606:4700::2");
    s.store.push_back({rng.id<wire::NodeId>(), {address, i}, 1'700'000'000 + i, {}, false});
  }
  std::stable_partition(s.store.begin(), s.store.end(), [](const auto& c) { return c.endpoint.address.is_v4(); });
  for (std::uint8_t i = 0; i < 5; ++i)
    s.lookups.push_back({rng.id<wire::Key>(), 1'700'000'000 + i, wire::ByteVector(26, i), wire::ByteVector(6, i)});
  s.run.emplace();
  s.run->since = 1'699'000'000;
  std::uint64_t number = 0;
  for (const dht::CounterInfo& info : dht::kCounters) s.run->counters.*info.value = ++number;
  const auto raw = dht::encode(s);
  const auto back = dht::decode(raw);
  REQUIRE(back);
  CHECK(back->id == s.id);
  REQUIRE(back->run);
  CHECK(back->run->since == s.run->since);
  for (const dht::CounterInfo& info : dht::kCounters)
    CHECK(back->run->counters.*info.value == s.run->counters.*info.value);
  CHECK(back->saved == s.saved);
  REQUIRE(back->store.size() == s.store.size());
  for (std::size_t i = 0; i < s.store.size(); ++i) {
    CHECK(back->store[i].id == s.store[i].id);
    CHECK(back->store[i].endpoint == s.store[i].endpoint);
    CHECK(back->store[i].last_seen == s.store[i].last_seen);
  }
  REQUIRE(back->lookups.size() == s.lookups.size());
  for (std::size_t i = 0; i < s.lookups.size(); ++i) {
    CHECK(back->lookups[i].info_hash == s.lookups[i].info_hash);
    CHECK(back->lookups[i].at == s.lookups[i].at);
    CHECK(back->lookups[i].nodes == s.lookups[i].nodes);
    CHECK(back->lookups[i].peers == s.lookups[i].peers);
  }
  REQUIRE(back->contacts.size() == s.contacts.size());
  for (std::size_t i = 0; i < s.contacts.size(); ++i) {
    CHECK(back->contacts[i].id == s.contacts[i].id);
    CHECK(back->contacts[i].endpoint == s.contacts[i].endpoint);
    CHECK(back->contacts[i].last_seen == s.contacts[i].last_seen);
    CHECK(back->contacts[i].rtt == s.contacts[i].rtt);
    CHECK(back->contacts[i].failed == s.contacts[i].failed);
    CHECK(back->contacts[i].version == s.contacts[i].version);
  }
  CHECK(dht::encode(*back) == raw);
  for (std::size_t n = 0; n < raw.size(); n += n < raw.size() - 100 ? 7 : 1)
    CHECK_FALSE(dht::decode(wire::Bytes{raw}.first(n)));
}

TEST_CASE("a damaged snapshot is refused with the reason, odd contacts are skipped") {
  const auto error = [](std::string_view text) { return dht::decode(wire::as_bytes(text)).error(); };
  CHECK(error("") == SnapshotError::not_bencode);
  CHECK(error("hello") == SnapshotError::not_bencode);
  CHECK(error("le") == SnapshotError::not_a_snapshot);
  CHECK(error("de") == SnapshotError::not_a_snapshot);
  CHECK(error("d8:contactsle6:formati2e2:id20:abcdefghij0123456789e") == SnapshotError::unknown_format);
  CHECK(error("d8:contactsle6:formati1e2:id3:abce") == SnapshotError::bad_id);
  CHECK(error(std::string(dht::kMaxSnapshotBytes + 1, 'x')) == SnapshotError::too_large);
  CHECK(error("d8:contactsl" + std::string(60'000, 'l') + std::string(60'000, 'e') + "ee") ==
        SnapshotError::not_bencode);
  const auto odd = dht::decode(wire::as_bytes("d8:contactsl3:abci7elee6:formati1e2:id20:abcdefghij0123456789e"));
  REQUIRE(odd);
  CHECK(odd->contacts.empty());
  CHECK_FALSE(dht::describe(SnapshotError::bad_id).empty());
}

TEST_CASE("a snapshot of an earlier version is read, and what does not fit its contacts counts as not there") {
  const std::string one = "34:abcdefghij0123456789" + std::string("\x0b\0\0\1\x1a\xe1\0\0\0\0\0\0\0\7", 14);
  const auto read = [&](const std::string& contacts, const std::string& failed, const std::string& after_id) {
    const std::string text =
        "d8:contactsl" + contacts + "e" + failed + "6:formati1e2:id20:abcdefghij0123456789" + after_id + "e";
    auto snapshot = dht::decode(wire::as_bytes(text));
    REQUIRE(snapshot);
    return *snapshot;
  };
  const auto old = read(one, "", "");
  REQUIRE(old.contacts.size() == 1);
  CHECK(old.saved == 0);
  CHECK(old.contacts[0].endpoint.text() == "11.0.0.1:6881");
  CHECK(old.contacts[0].last_seen == 7);
  CHECK(old.contacts[0].rtt == wire::Duration::zero());
  CHECK_FALSE(old.contacts[0].failed);
  CHECK_FALSE(dht::is_known(old.contacts[0].version));
  CHECK_FALSE(old.run);
  // The second contact is skipped, and the third has what stands at its own place.
  const auto skipped = read(one + "3:abc" + one, "6:failed3:" + std::string("\0\1\1", 3),
                            "3:rtt6:" + std::string("\0\5\0\6\1\0", 6) + "5:savedi9e1:v12:LT\x02\x01xxxxUT\x01\x02");
  REQUIRE(skipped.contacts.size() == 2);
  CHECK(skipped.saved == 9);
  CHECK(dht::said(skipped.contacts[0].version) == "LT\x02\x01");
  CHECK(dht::said(skipped.contacts[1].version) == "UT\x01\x02");
  CHECK(skipped.contacts[0].rtt == std::chrono::milliseconds(5));
  CHECK(skipped.contacts[1].rtt == std::chrono::milliseconds(256));
  CHECK_FALSE(skipped.contacts[0].failed);
  CHECK(skipped.contacts[1].failed);
  for (const char* odd :
       {"3:rtt1:a5:savedi-3e", "3:rtt3:abc5:saved1:x", "3:rtti7e5:savedle", "1:v3:abc", "1:v8:abcdefgh", "1:vi5e"}) {
    const auto bad = read(one, "6:failed2:ab", odd);
    REQUIRE(bad.contacts.size() == 1);
    CHECK(bad.saved == 0);
    CHECK(bad.contacts[0].rtt == wire::Duration::zero());
    CHECK_FALSE(dht::is_known(bad.contacts[0].version));
    CHECK_FALSE(bad.contacts[0].failed);
  }
}

TEST_CASE("a round trip is kept in whole milliseconds, none of them lost") {
  using namespace std::chrono_literals;
  dht::Snapshot s;
  for (const wire::Duration rtt : std::initializer_list<wire::Duration>{0s, 10us, 1999us, 70s})
    s.contacts.push_back({{}, {wire::Address::v4(1, 2, 3, 4), 5}, 1, rtt, false});
  const auto back = dht::decode(dht::encode(s));
  REQUIRE(back);
  CHECK(back->contacts[0].rtt == 0ms);
  CHECK(back->contacts[1].rtt == 1ms);
  CHECK(back->contacts[2].rtt == 1ms);
  CHECK(back->contacts[3].rtt == 65'535ms);
}

TEST_CASE("a store or a lookup that makes no sense costs only itself") {
  const std::string whole(26 + 4, 'a');
  const auto decoded = [](const std::string& rest) {
    const auto s = dht::decode(wire::as_bytes("d8:contactsle6:formati1e2:id20:abcdefghij0123456789" + rest + "e"));
    REQUIRE(s);
    CHECK(s->id.view().front() == 'a');
    return *s;
  };
  const auto store = [&](const std::string& raw) {
    return decoded("6:store4" + std::to_string(raw.size()) + ":" + raw).store.size();
  };
  CHECK(store(whole + whole) == 2);
  CHECK(store(whole + "x") == 0);
  CHECK(store(std::string(24, 'a') + std::string(6, '\0') + whole) == 1);  // port 0
  CHECK(store(std::string((dht::kMaxSavedStore + 1) * 30, 'a')) == 0);
  CHECK(decoded("6:store4i7e").store.empty());
  const auto lookups = [&](const std::string& raw) { return decoded("7:lookupsl" + raw + "e").lookups.size(); };
  const std::string hash = "1:h20:abcdefghij0123456789";
  CHECK(lookups("d2:ati5e" + hash + "1:n1:x1:p0:e") == 1);
  CHECK(lookups("d2:ati5e" + hash + "e") == 1);
  CHECK(lookups("i5e4:xxxxlede" + std::string{"d2:ati-5e"} + hash + "ed" + hash + "ed2:ati5e1:h3:abce") == 0);
  CHECK(lookups("d2:ati5e" + hash + "1:n5000:" + std::string(5'000, 'x') + "e") == 0);
  std::string many;
  for (std::size_t i = 0; i < dht::kMaxSavedLookups + 10; ++i) many += "d2:ati5e" + hash + "e";
  CHECK(lookups(many) == dht::kMaxSavedLookups);
  CHECK(decoded("7:lookupsi5e").lookups.empty());
}

TEST_CASE("more contacts than are ever read are not written") {
  dht::Snapshot s;
  s.contacts.resize(dht::kMaxSavedContacts + 5, {{}, {wire::Address::v4(1, 2, 3, 4), 5}, 1});
  const auto back = dht::decode(dht::encode(s));
  REQUIRE(back);
  CHECK(back->contacts.size() == dht::kMaxSavedContacts);
}

TEST_CASE("counters of another version are read as far as both know them, and none without their start") {
  const auto run = [](const std::string& counters, const std::string& since) {
    const auto s = dht::decode(
        wire::as_bytes("d8:contactsle" + counters + "6:formati1e2:id20:abcdefghij0123456789" + since + "e"));
    REQUIRE(s);
    return s->run;
  };
  const auto some = run("8:countersd6:futurei9e7:evictedi3e9:puts_fulli-4e10:queries_in3:abce", "5:sincei77e");
  REQUIRE(some);
  CHECK(some->since == 77);
  CHECK(some->counters.evicted == 3);
  CHECK(some->counters.puts_full == 0);
  CHECK(some->counters.queries_in == 0);
  CHECK_FALSE(run("8:countersd7:evictedi3ee", ""));
  CHECK_FALSE(run("8:countersd7:evictedi3ee", "5:sincei-1e"));
  CHECK_FALSE(run("8:countersle", "5:sincei7e"));
  CHECK_FALSE(run("", "5:sincei7e"));
  dht::Snapshot most;
  most.run.emplace();
  most.run->since = -5;
  most.run->counters.evicted = ~std::uint64_t{0};
  const auto back = dht::decode(dht::encode(most));
  REQUIRE(back);
  REQUIRE(back->run);
  CHECK(back->run->since == 0);
  CHECK(back->run->counters.evicted == ~std::uint64_t{0} >> 1);
}
