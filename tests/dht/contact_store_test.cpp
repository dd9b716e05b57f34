// SPDX-License-Identifier: Apache-2.0
#include "dht/contact_store.hpp"

#include <algorithm>
#include <map>
#include <set>

#include <catch2/catch.hpp>

#include "dht/node_id_security.hpp"

using namespace lodestone;
using namespace std::chrono_literals;
using dht::Contact;
using dht::ContactStore;

namespace {

constexpr wire::Instant kStart{1h};

struct Stored {
  explicit Stored(std::size_t capacity, bool diverse = true, wire::Family family = wire::Family::v4)
      : store(kStart, own, {family, capacity, diverse}, rng) {}
  /// A node in a /24 of its own.
  Contact draw() { return {rng.id<wire::NodeId>(), {wire::Address::v4(0x0b000001u + (next++ << 8)), 6881}}; }

  wire::Rng rng = wire::Rng::from_number(9);
  wire::NodeId own = rng.id<wire::NodeId>();
  std::uint32_t next = 0;
  ContactStore store;
};

std::vector<Contact> closest(const ContactStore& store, const wire::Key& target, std::size_t n) {
  std::vector<Contact> out(n);
  out.resize(store.closest(target, out));
  return out;
}

}  // namespace

TEST_CASE("the contact store names the XOR-closest, as brute force does") {
  Stored s(3'000, false);
  std::vector<Contact> all;
  for (int i = 0; i < 2'500; ++i) {
    Contact c = s.draw();
    // A third of them crowd together.
    if (i % 3 == 0) std::fill_n(c.id.bytes().begin(), 2, std::uint8_t{0xab});
    CHECK(s.store.answered(kStart, c, 50ms));
    all.push_back(c);
  }
  s.store.check_invariants();
  CHECK(s.store.size() == all.size());
  for (int i = 0; i < 300; ++i) {
    auto target = s.rng.id<wire::Key>();
    if (i % 2 == 0) std::fill_n(target.bytes().begin(), 2, std::uint8_t{0xab});
    std::sort(all.begin(), all.end(),
              [&](const Contact& a, const Contact& b) { return wire::closer(target, a.id, b.id); });
    for (const std::size_t n : {1u, 8u, 32u}) {
      const auto found = closest(s.store, target, n);
      REQUIRE(found.size() == n);
      CHECK(std::equal(found.begin(), found.end(), all.begin()));
    }
  }
}

TEST_CASE("a small contact store gives what it has") {
  Stored s(100);
  CHECK(closest(s.store, wire::Key{}, 8).empty());
  const Contact only = s.draw();
  CHECK(s.store.answered(kStart, only, 1ms));
  CHECK(closest(s.store, wire::Key{}, 8) == std::vector{only});
  Stored none(0);
  CHECK_FALSE(none.store.answered(kStart, none.draw(), 1ms));
  CHECK(none.store.bytes() == 0);
}

TEST_CASE("T3 in the contact store a node that fails is passed over, and out the second time") {
  Stored s(100);
  const Contact a = s.draw(), b = s.draw();
  s.store.answered(kStart, a, 1ms);
  s.store.answered(kStart, b, 1ms);
  s.store.failed(a);
  CHECK(s.store.size() == 2);
  CHECK(s.store.good() == 1);
  CHECK(closest(s.store, wire::Key{}, 8) == std::vector{b});
  s.store.answered(kStart + 1s, a, 1ms);
  CHECK(s.store.good() == 2);
  s.store.failed(a);
  CHECK(s.store.size() == 2);
  s.store.failed(a);
  CHECK(s.store.size() == 1);
  CHECK(s.store.dropped().silent == 1);
  s.store.check_invariants();
}

TEST_CASE("L8 the contact store names those whose ids their addresses allow, if they are asked for") {
  Stored s(1'000);
  const auto target = s.rng.id<wire::Key>();
  std::vector<Contact> proper;
  for (int i = 0; i < 300; ++i) s.store.answered(kStart, s.draw(), 1ms);
  for (int i = 0; i < 20; ++i) {
    Contact c = s.draw();
    c.id = dht::derive_id(c.endpoint.address, s.rng);
    s.store.answered(kStart, c, 1ms);
    proper.push_back(c);
  }
  // Right at the target, each in a /24 of its own, but under ids of their choice.
  for (int i = 0; i < 100; ++i) {
    Contact c = s.draw();
    std::copy_n(target.bytes().begin(), 10, c.id.bytes().begin());
    s.store.answered(kStart, c, 1ms);
  }
  std::sort(proper.begin(), proper.end(),
            [&](const Contact& a, const Contact& b) { return wire::closer(target, a.id, b.id); });
  std::vector<Contact> found(8);
  CHECK(s.store.closest(target, found, true) == 8);
  proper.resize(8);
  CHECK((found == proper));
  CHECK(s.store.closest(target, found) == 8);
  for (const Contact& c : found) CHECK(wire::common_prefix(target, wire::Key{c.id.bytes()}) >= 80);
}

TEST_CASE("T1 the contact store does not hold the id that is ours now") {
  Stored s(100);
  const Contact a = s.draw(), b = s.draw();
  s.store.answered(kStart, a, 1ms);
  s.store.answered(kStart, b, 1ms);
  s.store.move_to(a.id);
  CHECK(s.store.size() == 1);
  CHECK_FALSE(s.store.answered(kStart, a, 1ms));
  s.store.check_invariants();
}

TEST_CASE("L6 in the contact store a node that answers under another id is out at once") {
  Stored s(100);
  const Contact a = s.draw();
  s.store.answered(kStart, a, 1ms);
  s.store.evict({s.rng.id<wire::NodeId>(), a.endpoint});
  s.store.evict({a.id, s.draw().endpoint});  // somebody else's trouble
  CHECK(s.store.size() == 1);
  s.store.evict(a);
  CHECK(s.store.size() == 0);
}

TEST_CASE("T4 own id and a second address of a known id do not enter the contact store") {
  Stored s(100);
  CHECK_FALSE(s.store.answered(kStart, {s.own, s.draw().endpoint}, 1ms));
  const Contact a = s.draw();
  const Contact moved{a.id, s.draw().endpoint};
  s.store.answered(kStart, a, 1ms);
  CHECK_FALSE(s.store.answered(kStart, moved, 1ms));
  s.store.failed(a);
  CHECK(s.store.answered(kStart, moved, 1ms));
  CHECK(closest(s.store, wire::Key{}, 8) == std::vector{moved});
  s.store.check_invariants();
}

TEST_CASE("T4 a /24 has a few places in the contact store, and one in an answer; off in a private net") {
  for (const bool diverse : {true, false}) {
    CAPTURE(diverse);
    Stored s(1'000, diverse);
    for (int i = 0; i < 100; ++i) s.store.answered(kStart, s.draw(), 1ms);
    const std::size_t before = s.store.size();
    for (std::uint8_t i = 0; i < 100; ++i)
      s.store.answered(kStart, {s.rng.id<wire::NodeId>(), {wire::Address::v4(99, 1, 1, i), 6881}}, 1ms);
    const std::size_t entered = s.store.size() - before;
    CHECK((diverse ? entered >= 1 && entered <= ContactStore::kPerPrefix : entered == 100));
    CHECK(s.store.dropped().crowded == 100 - entered);
    CHECK(s.store.dropped().no_room == 0);
    s.store.check_invariants();
    std::set<wire::Address> prefixes;
    const auto found = closest(s.store, s.rng.id<wire::Key>(), 32);
    for (const Contact& c : found) prefixes.insert(c.endpoint.address.diversity_prefix());
    CHECK((prefixes.size() == found.size()) == diverse);
  }
}

TEST_CASE("a full contact store gives newcomers the places of those that fail") {
  Stored s(64);
  std::vector<Contact> all;
  while (!s.store.full()) {
    all.push_back(s.draw());
    s.store.answered(kStart, all.back(), 1ms);
  }
  CHECK_FALSE(s.store.answered(kStart, s.draw(), 1ms));
  for (const Contact& c : all) s.store.failed(c);
  int entered = 0;
  for (int i = 0; i < 1'000; ++i) entered += s.store.answered(kStart, s.draw(), 1ms);
  // The places behind the last ids have no neighbours to look at; nearly all others change hands.
  CHECK(entered >= 56);
  CHECK(s.store.size() == 64);
  s.store.check_invariants();
}

TEST_CASE("T6 the walk goes round the contact store and asks whoever has been silent") {
  Stored s(1'000);
  std::set<wire::NodeId> silent;
  for (int i = 0; i < 500; ++i) {
    const Contact c = s.draw();
    const bool old = i % 5 == 0;
    s.store.answered(old ? kStart : kStart + 20min, c, 1ms);
    if (old) silent.insert(c.id);
  }
  std::set<wire::NodeId> asked;
  for (int i = 0; i < 1'000; ++i) {
    const auto c = s.store.walk(kStart + 20min, 15min, 50);
    if (!c) continue;
    CHECK(asked.insert(c->id).second);  // not again while it is being asked
  }
  CHECK(asked == silent);
  // One that has failed is asked again at once, one that has answered is left alone.
  const Contact first = *[&] {
    std::optional<Contact> found;
    s.store.for_each(kStart, [&](const Contact& c, wire::Duration, wire::Duration) {
      if (!found && c.id == *asked.begin()) found = c;
    });
    return found;
  }();
  s.store.failed(first);
  CHECK(s.store.walk(kStart + 20min, 15min, 500) == first);
  s.store.answered(kStart + 20min, first, 1ms);
  CHECK_FALSE(s.store.walk(kStart + 20min, 15min, 500));
}

TEST_CASE("saved contacts of late are trusted, older ones are asked before") {
  Stored s(100);
  const Contact fresh = s.draw(), old = s.draw(), future = s.draw();
  CHECK(s.store.restore(kStart, fresh, 1h));
  CHECK(s.store.restore(kStart, old, 24h * 365 * 10));
  CHECK(s.store.restore(kStart, future, -1h));
  CHECK_FALSE(s.store.restore(kStart, {s.own, fresh.endpoint}, 1h));
  CHECK_FALSE(s.store.restore(kStart, {s.rng.id<wire::NodeId>(), *wire::Endpoint::parse("[2600::1]:5")}, 1h));
  CHECK(s.store.size() == 3);
  CHECK(s.store.good() == 2);
  std::map<wire::NodeId, wire::Duration> silences;
  s.store.for_each(kStart + 1min,
                   [&](const Contact& c, wire::Duration silence, wire::Duration) { silences[c.id] = silence; });
  CHECK(silences[fresh.id] == 61min);
  CHECK(silences[future.id] == 1min);
  CHECK(silences[old.id] > 24h * 365);
  std::set<wire::NodeId> asked;
  while (const auto c = s.store.walk(kStart, 2h, 100)) asked.insert(c->id);
  CHECK(asked == std::set{old.id});
}

TEST_CASE("a contact costs about 40 bytes") {
  Stored v4(100'000);
  for (int i = 0; i < 100'000; ++i) v4.store.answered(kStart, v4.draw(), 1ms);
  const auto each = static_cast<double>(v4.store.bytes()) / static_cast<double>(v4.store.size());
  CAPTURE(each, v4.store.size());
  CHECK(v4.store.size() > 97'000);  // now and then strangers share a counter
  CHECK(each <= 41);
}

TEST_CASE("a key near a node shares with it what the store can tell apart") {
  Stored s(10'000);
  for (int i = 0; i < 4'096; ++i) s.store.answered(kStart, s.draw(), 1ms);
  const auto id = s.rng.id<wire::NodeId>();
  for (int i = 0; i < 100; ++i) CHECK(wire::common_prefix(id, s.store.key_near(id, s.rng)) >= 10);
}
