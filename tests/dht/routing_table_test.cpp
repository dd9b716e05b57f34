// SPDX-License-Identifier: Apache-2.0
#include "dht/routing_table.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include <catch2/catch.hpp>

using namespace lodestone;
using namespace std::chrono_literals;
using dht::Contact;
using dht::RoutingTable;
using Outcome = RoutingTable::Outcome;

namespace {

constexpr wire::Instant kStart{1h};

struct Bench {
  explicit Bench(bool diverse = true, std::uint64_t seed = 1)
      : rng(wire::Rng::from_number(seed)),
        own(rng.id<wire::NodeId>()),
        table(kStart, wire::Family::v4, own, 8, diverse) {}

  /// A contact that shares exactly `bits` bits with our id, at an address and /24 of its own.
  Contact contact(int bits) {
    auto id = rng.id<wire::NodeId>();
    for (int i = 0; i <= bits; ++i) {
      const auto at = static_cast<std::size_t>(i / 8);
      const auto mask = static_cast<std::uint8_t>(0x80 >> (i % 8));
      const auto own_bit = static_cast<std::uint8_t>(own.bytes()[at] & mask);
      const auto bit = i < bits ? own_bit : static_cast<std::uint8_t>(own_bit ^ mask);
      id.bytes()[at] = static_cast<std::uint8_t>((id.bytes()[at] & ~mask) | bit);
    }
    return {id, {wire::Address::v4(0x0b000001u + (++serial << 8)), 6881}};
  }
  Outcome answer(const Contact& c, wire::Duration rtt = 100ms) { return table.answered(now, c, rtt); }
  std::vector<const RoutingTable::Entry*> closest(const wire::Key& target, std::size_t n, bool good_only = true) {
    std::vector<const RoutingTable::Entry*> out(n);
    out.resize(table.closest(target, out, good_only));
    return out;
  }

  wire::Rng rng;
  wire::NodeId own;
  wire::Instant now = kStart;
  RoutingTable table;
  std::uint32_t serial = 0;
};

}  // namespace

TEST_CASE("T3 only the bucket that holds our id splits, and the first buckets are wide") {
  Bench b;
  std::array<int, 12> added{};
  for (int round = 0; round < 200; ++round) {
    for (int bits = 0; bits < 12; ++bits) {
      added[static_cast<std::size_t>(bits)] += b.answer(b.contact(bits)) == Outcome::added;
      b.table.check_invariants();
    }
  }
  std::array<int, 12> held{};
  b.table.for_each([&](const auto& e) { ++held[static_cast<std::size_t>(wire::common_prefix(b.own, e.id()))]; });
  CHECK(held[0] == 128);
  CHECK(held[1] == 64);
  CHECK(held[2] == 32);
  CHECK(held[3] == 16);
  for (std::size_t i = 4; i < 10; ++i) CHECK(held[i] == 8);
  CHECK(b.table.bucket_count() >= 11);
  CHECK(b.table.bucket_count() <= 13);
}

TEST_CASE("T3 far contacts alone never make a second bucket useful: the rest become spares") {
  Bench b;
  int spares = 0;
  for (int i = 0; i < 300; ++i) spares += b.answer(b.contact(0)) == Outcome::spare;
  CHECK(b.table.size() == 128);
  CHECK(spares == 300 - 128);
  b.table.check_invariants();
}

TEST_CASE("T3 a contact in the table costs at most 40 bytes") {
  CHECK(dht::TableEntry::size(wire::Family::v4) <= 40);
  Bench b;
  for (int round = 0; round < 200; ++round)
    for (int bits = 0; bits < 8; ++bits) b.answer(b.contact(bits));
  const std::size_t held = b.table.size() + b.table.spare_count();
  CHECK(b.table.size() >= 128 + 64 + 32 + 16 + 4 * 8);
  // Buckets are full to within a few, and there are twice as many at most.
  CHECK(b.table.bytes() <= 40 * held + b.table.bucket_count() * 256);
  // Also when it has been emptied again.
  std::vector<Contact> all;
  b.table.for_each([&](const auto& e) { all.push_back(e.contact()); });
  for (int round = 0; round < 400 && !b.table.empty(); ++round) {
    all.clear();
    b.table.for_each([&](const auto& e) { all.push_back(e.contact()); });
    for (const auto& c : all) b.table.failed(c);
  }
  CHECK(b.table.empty());
  CHECK(b.table.bytes() <= b.table.bucket_count() * 1'280);
}

TEST_CASE("T3 at most eight spares a bucket, whatever k is") {
  auto rng = wire::Rng::from_number(5);
  const auto own = rng.id<wire::NodeId>();
  RoutingTable table(kStart, wire::Family::v4, own, 20, true);
  int spares = 0;
  for (std::uint32_t i = 0; i < 400; ++i) {
    auto id = rng.id<wire::NodeId>();
    id.bytes()[0] = static_cast<std::uint8_t>((id.bytes()[0] & 0x7f) | (~own.bytes()[0] & 0x80));
    const Contact c{id, {wire::Address::v4(0x0b000001u + (i << 8)), 6881}};
    CHECK(table.wants(c) == (spares < 8));
    spares += table.answered(kStart, c, 50ms) == Outcome::spare;
    REQUIRE(table.spare_count() <= 8);
  }
  CHECK(spares > 8);
  CHECK(table.spare_count() == 8);
  table.check_invariants();
}

TEST_CASE("T3 a table of v6 contacts is like one of v4") {
  auto rng = wire::Rng::from_number(6);
  const auto own = rng.id<wire::NodeId>();
  RoutingTable table(kStart, wire::Family::v6, own, 8, true);
  std::vector<Contact> in;
  for (std::uint16_t i = 1; i < 500; ++i) {
    std::array<std::uint8_t, 16> address{0x26, 0x06, 0x47};
    wire::store_be16(address.data() + 5, i);
    rng.fill(wire::MutableBytes{address}.subspan(8));
    const Contact c{rng.id<wire::NodeId>(), {wire::Address::v6(address), static_cast<std::uint16_t>(1'000 + i)}};
    if (table.answered(kStart, c, 50ms) == Outcome::added) in.push_back(c);
    // Another node of its /64 has no place beside it.
    address[15] ^= 1;
    if (table.find(c.id) != nullptr && table.bucket_count() == 1)
      CHECK_FALSE(table.wants({rng.id<wire::NodeId>(), {wire::Address::v6(address), 1}}));
  }
  table.check_invariants();
  CHECK(table.size() > 128);
  int here = 0;
  for (const Contact& c : in) {
    const auto* e = table.find(c.id);
    if (e == nullptr) continue;  // its bucket was split, and it became a spare
    ++here;
    CHECK(e->contact() == c);
    CHECK(table.find(c.endpoint) == e);
  }
  CHECK(here == static_cast<int>(table.size()));
  std::array<const RoutingTable::Entry*, 8> closest;
  const auto target = rng.id<wire::Key>();
  REQUIRE(table.closest(target, closest, true) == 8);
  table.for_each([&](const auto& e) {
    const bool among = std::find(closest.begin(), closest.end(), &e) != closest.end();
    CHECK((among || !wire::closer(target, e.id(), closest[7]->id())));
  });
  table.move_to(rng.id<wire::NodeId>());
  table.check_invariants();
}

TEST_CASE("T3 two failures in a row put a contact out, one does not, and a spare takes its place") {
  Bench b;
  std::vector<Contact> in;
  for (int i = 0; i < 129; ++i) {
    in.push_back(b.contact(0));
    b.answer(in.back());
  }
  const auto slow = b.contact(0);
  const auto fast = b.contact(0);
  CHECK(b.answer(slow, 500ms) == Outcome::spare);
  CHECK(b.answer(fast, 50ms) == Outcome::spare);
  CHECK_FALSE(b.table.failed(in[0]));
  CHECK(b.answer(in[0]) == Outcome::refreshed);
  CHECK_FALSE(b.table.failed(in[0]));
  CHECK(b.table.find(in[0].id) != nullptr);
  CHECK(b.table.failed(in[0]));
  CHECK(b.table.find(in[0].id) == nullptr);
  CHECK(b.table.find(fast.id) != nullptr);  // of the spares the fastest
  CHECK(b.table.size() == 128);
  b.table.check_invariants();
}

TEST_CASE("T3 a long-lived contact keeps its place against newcomers") {
  Bench b;
  std::vector<Contact> in;
  for (int i = 0; i < 128; ++i) {
    in.push_back(b.contact(0));
    b.answer(in.back());
  }
  b.now += 24h;
  for (int i = 0; i < 50; ++i) CHECK(b.answer(b.contact(0)) == Outcome::spare);
  for (const auto& c : in) CHECK(b.table.find(c.id) != nullptr);
}

TEST_CASE("T4 one entry per address and one per /24 in a bucket") {
  Bench b;
  const auto first = b.contact(0);
  CHECK(b.answer(first) == Outcome::added);
  auto same_address = b.contact(3);
  same_address.endpoint = {first.endpoint.address, 7000};
  CHECK(b.answer(same_address) == Outcome::refused);
  auto same_prefix = b.contact(0);
  same_prefix.endpoint.address = wire::Address::v4(wire::load_be32(first.endpoint.address.bytes().data()) + 1);
  CHECK_FALSE(b.table.wants(same_prefix));
  CHECK(b.answer(same_prefix) == Outcome::refused);
  // Once the first one fails to answer, its rival may have the place.
  b.table.failed(first);
  CHECK(b.table.wants(same_prefix));
  CHECK(b.answer(same_prefix) == Outcome::added);
  CHECK(b.table.find(first.id) == nullptr);
  b.table.check_invariants();
}

TEST_CASE("T4 prefixes are counted per bucket") {
  Bench b;
  // Enough far and near contacts that there are two buckets.
  for (int i = 0; i < 70; ++i) {
    b.answer(b.contact(0));
    b.answer(b.contact(2));
  }
  REQUIRE(b.table.bucket_count() >= 2);
  const auto far = b.contact(0);
  REQUIRE(b.answer(far) == Outcome::added);
  auto near = b.contact(1);
  near.endpoint.address = wire::Address::v4(wire::load_be32(far.endpoint.address.bytes().data()) + 1);
  CHECK(b.answer(near) == Outcome::added);
  b.table.check_invariants();
}

TEST_CASE("T4 is off in a private net, but an endpoint is still one node") {
  Bench b{false};
  const wire::Address home = wire::Address::v4(127, 0, 0, 1);
  for (std::uint16_t port = 1000; port < 1020; ++port) {
    auto c = b.contact(0);
    c.endpoint = {home, port};
    CHECK(b.answer(c) == Outcome::added);
  }
  auto again = b.contact(0);
  again.endpoint = {home, 1000};
  CHECK(b.answer(again) == Outcome::added);  // it answers with another id now: the old one is gone
  CHECK(b.table.size() == 20);
  b.table.check_invariants();
}

TEST_CASE("T4 our own id never enters") {
  Bench b;
  Contact self = b.contact(0);
  self.id = b.own;
  CHECK_FALSE(b.table.wants(self));
  CHECK(b.answer(self) == Outcome::refused);
  CHECK(b.table.empty());
}

TEST_CASE("T4 an id at a second address does not displace the first one while that answers") {
  Bench b;
  const auto c = b.contact(0);
  b.answer(c);
  Contact thief{c.id, b.contact(0).endpoint};
  CHECK_FALSE(b.table.wants(thief));
  CHECK(b.answer(thief) == Outcome::refused);
  b.table.failed(c);
  CHECK(b.table.wants(thief));
  CHECK(b.answer(thief) == Outcome::added);
  CHECK(b.table.find(c.id)->endpoint() == thief.endpoint);
}

TEST_CASE("T4 nobody makes room for a newcomer that does not get in") {
  Bench b;
  const auto failed = b.contact(0);
  const auto good = b.contact(0);
  b.answer(failed);
  b.answer(good);
  b.table.failed(failed);
  // The id of the one that failed, in the prefix of the other.
  Contact newcomer = failed;
  newcomer.endpoint = {wire::Address::v4(wire::load_be32(good.endpoint.address.bytes().data()) + 1), 6881};
  CHECK(b.answer(newcomer) == Outcome::refused);
  REQUIRE(b.table.find(failed.id) != nullptr);
  CHECK(b.table.find(failed.id)->endpoint() == failed.endpoint);
  CHECK(b.table.size() == 2);
  b.table.check_invariants();
}

TEST_CASE("T8 the closest are the closest across buckets, by brute force") {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    Bench b{true, seed};
    for (int i = 0; i < 40 * static_cast<int>(seed * seed); ++i) b.answer(b.contact(static_cast<int>(b.rng.below(20))));
    std::vector<wire::NodeId> good;
    b.table.for_each([&](const auto& e) { good.push_back(e.id()); });
    for (std::size_t i = 0; i < good.size() / 4; ++i) b.table.failed(b.table.find(good[i])->contact());
    good.erase(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(good.size() / 4));
    for (int round = 0; round < 300; ++round) {
      auto target = b.rng.id<wire::Key>();
      // Half of the targets near our own id, where the buckets are deep.
      if (round % 2 == 0) target = wire::Key{b.contact(static_cast<int>(b.rng.below(30))).id.bytes()};
      if (round == 2) target = wire::Key{b.own.bytes()};
      std::sort(good.begin(), good.end(), [&](const auto& x, const auto& y) { return wire::closer(target, x, y); });
      for (const std::size_t n : {1u, 8u, 16u, 60u}) {
        const auto found = b.closest(target, n);
        REQUIRE(found.size() == std::min<std::size_t>(n, good.size()));
        for (std::size_t i = 0; i < found.size(); ++i) REQUIRE(found[i]->id() == good[i]);
      }
    }
  }
}

TEST_CASE("T8 the closest are the closest also among ids that somebody chose") {
  // All in the widest bucket, alike in all but a few bits at a place that varies.
  for (const std::size_t place : {0u, 1u, 6u, 7u, 8u, 12u, 18u}) {
    Bench b;
    const auto base = b.contact(0);
    std::vector<wire::NodeId> ids;
    for (int i = 0; i < 120; ++i) {
      auto c = b.contact(0);
      c.id = base.id;
      c.id.bytes()[place] = static_cast<std::uint8_t>(c.id.bytes()[place] ^ (i & 0x7f));
      c.id.bytes()[19] = static_cast<std::uint8_t>(i);
      REQUIRE(b.answer(c) == Outcome::added);
      ids.push_back(c.id);
    }
    for (int round = 0; round < 100; ++round) {
      auto target = round % 2 ? b.rng.id<wire::Key>() : wire::Key{ids[b.rng.below(ids.size())].bytes()};
      std::sort(ids.begin(), ids.end(), [&](const auto& x, const auto& y) { return wire::closer(target, x, y); });
      const auto found = b.closest(target, 8);
      REQUIRE(found.size() == 8);
      for (std::size_t i = 0; i < found.size(); ++i) REQUIRE(found[i]->id() == ids[i]);
    }
  }
}

TEST_CASE("T6 a bucket without lookups goes stale, and the key to refresh it falls into it") {
  Bench b;
  for (int i = 0; i < 100; ++i)
    for (int bits = 0; bits < 4; ++bits) b.answer(b.contact(bits));
  const std::size_t buckets = b.table.bucket_count();
  REQUIRE(buckets >= 3);
  for (std::size_t i = 0; i < buckets; ++i)
    b.table.note_lookup(b.now, wire::Key{b.contact(static_cast<int>(i)).id.bytes()});
  CHECK_FALSE(b.table.stale_bucket(b.now, 15min, b.rng));
  CHECK(b.table.next_due(15min) >= b.now + 14min);
  b.now += 10min;
  b.table.note_lookup(b.now, wire::Key{b.contact(1).id.bytes()});
  b.now += 6min;
  std::vector<int> refreshed;
  while (const auto key = b.table.stale_bucket(b.now, 15min, b.rng)) {
    const int bits = std::min(wire::common_prefix(b.own, *key), static_cast<int>(buckets) - 1);
    refreshed.push_back(bits);
    b.table.note_lookup(b.now, *key);
    REQUIRE(refreshed.size() <= buckets);
  }
  std::sort(refreshed.begin(), refreshed.end());
  CHECK(refreshed.size() == buckets - 1);
  CHECK(std::find(refreshed.begin(), refreshed.end(), 1) == refreshed.end());
}

TEST_CASE("T6 a bucket with room can be looked into again at once, a full one cannot") {
  Bench b;
  const wire::Key near{b.contact(20).id.bytes()};
  b.answer(b.contact(20));
  b.table.note_lookup(b.now, near);
  CHECK_FALSE(b.table.stale_bucket(b.now, 15min, b.rng));
  b.table.look_again(near);
  CHECK(b.table.stale_bucket(b.now, 15min, b.rng));
  for (int i = 0; i < 400; ++i)
    for (int bits = 0; bits < 3; ++bits) b.answer(b.contact(bits));
  const wire::Key far{b.contact(0).id.bytes()};
  for (std::size_t i = 0; i < b.table.bucket_count(); ++i)
    b.table.note_lookup(b.now, wire::Key{b.contact(static_cast<int>(i)).id.bytes()});
  b.table.look_again(far);
  CHECK_FALSE(b.table.stale_bucket(b.now, 15min, b.rng));
}

TEST_CASE("T6 the contact silent for longest is the one to ask") {
  Bench b;
  const auto old = b.contact(0);
  b.answer(old);
  b.now += 10min;
  const auto young = b.contact(0);
  b.answer(young);
  const auto any = [](const auto&) { return true; };
  CHECK(b.table.questionable(b.now, 15min, any) == nullptr);
  b.now += 6min;
  REQUIRE(b.table.questionable(b.now, 15min, any) != nullptr);
  CHECK(b.table.questionable(b.now, 15min, any)->id() == old.id);
  CHECK(b.table.questionable(b.now, 15min, [&](const auto& e) { return e.id() != old.id; }) == nullptr);
  b.answer(old);
  b.table.failed(young);  // it failed last time: due at once
  CHECK(b.table.questionable(b.now, 15min, any)->id() == young.id);
  CHECK(b.table.next_due(15min) <= b.now);
}

TEST_CASE("an id that shares all but the last bits with ours cannot break the table") {
  Bench b;
  for (int bits = 120; bits < 160; ++bits)
    for (int i = 0; i < 12; ++i) b.answer(b.contact(bits));
  b.table.check_invariants();
  CHECK(b.table.bucket_count() <= 160);
  CHECK(b.table.size() > 128);
}

TEST_CASE("T1 the table moves with our id: the same contacts around another point") {
  auto rng = wire::Rng::from_number(77);
  const auto before = rng.id<wire::NodeId>(), after = rng.id<wire::NodeId>();
  RoutingTable table(wire::Instant{1h}, wire::Family::v4, before, 8, true);
  for (std::uint32_t i = 0; i < 3'000; ++i) {
    auto id = rng.id<wire::NodeId>();
    if (i % 3 == 1) std::copy_n(after.bytes().begin(), 1, id.bytes().begin());  // many near the new id
    table.answered(wire::Instant{1h} + i * 1ms, {id, {wire::Address::v4(0x05000001u + (i << 8)), 6881}}, 50ms);
  }
  CHECK(table.answered(wire::Instant{2h}, {after, {wire::Address::v4(99, 1, 1, 1), 6881}}, 50ms) !=
        RoutingTable::Outcome::refused);
  const std::size_t held = table.size();
  table.move_to(after);
  table.check_invariants();
  CHECK(table.find(after) == nullptr);
  CHECK(table.size() >= held / 2);
  CHECK(table.bucket_count() > 1);
  CHECK(table.answered(wire::Instant{2h}, {after, {wire::Address::v4(98, 1, 1, 1), 6881}}, 50ms) ==
        RoutingTable::Outcome::refused);
  std::array<const RoutingTable::Entry*, 8> closest;
  CHECK(table.closest(wire::Key{after.bytes()}, closest, true) == 8);
}

TEST_CASE("a contact keeps the version that it said last, through a split and as a spare") {
  Bench b;
  const dht::ClientVersion lt{'L', 'T', 2, 1}, ut{'U', 'T', 1, 2};
  const Contact first = b.contact(0);
  CHECK(b.table.answered(b.now, first, 1ms, lt) == Outcome::added);
  CHECK(b.table.find(first.id)->version == lt);
  b.answer(first);  // without one
  CHECK(b.table.find(first.id)->version == lt);
  b.table.answered(b.now, first, 1ms, ut);
  CHECK(b.table.find(first.id)->version == ut);
  for (int i = 0; i < 200; ++i) b.table.answered(b.now, b.contact(i % 3), 1ms, lt);
  REQUIRE(b.table.bucket_count() > 1);
  std::size_t known = 0;
  b.table.for_each([&](const auto& e) { known += e.version == (e.has_id(first.id) ? ut : lt); });
  CHECK(known == b.table.size());
}

TEST_CASE("T4 who is kept out, and who gives way, is counted by reason") {
  Bench b;
  Contact a = b.contact(0);
  b.answer(a);
  Contact neighbour = b.contact(0);
  neighbour.endpoint.address = wire::Address::v4(11, 0, 1, 77);
  CHECK(b.table.use_for(neighbour) == RoutingTable::Use::crowded);
  CHECK(b.table.use_for(a) == RoutingTable::Use::known);
  CHECK(b.answer(neighbour) == Outcome::refused);
  CHECK(b.table.dropped().crowded == 1);
  const Contact twin{a.id, b.contact(0).endpoint};
  CHECK(b.answer(twin) == Outcome::refused);
  CHECK(b.table.dropped().twin == 1);
  CHECK(b.table.dropped().replaced == 0);
  b.table.failed(a);
  CHECK(b.answer(twin) == Outcome::added);
  CHECK(b.table.dropped().replaced == 1);
  // A full bucket's spares give way to one another.
  Bench full;
  for (int i = 0; i < 200; ++i) full.answer(full.contact(0));
  full.answer(full.contact(1));
  for (int i = 0; i < 50; ++i) full.answer(full.contact(0));
  CHECK(full.table.use_for(full.contact(0)) == RoutingTable::Use::full);
  CHECK(full.table.dropped().spares >= 42);
  CHECK(full.table.dropped().crowded == 0);
  const auto held = full.table.size();
  const auto moved_before = full.table.dropped().moved;
  full.table.move_to(full.rng.id<wire::NodeId>());
  CHECK(full.table.dropped().moved - moved_before == held - full.table.size());
}
