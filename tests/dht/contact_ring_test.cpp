// SPDX-License-Identifier: Apache-2.0
#include "dht/contact_ring.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include <catch2/catch.hpp>

#include "dht/node_id_security.hpp"

using namespace lodestone;
using dht::Contact;
using dht::ContactRing;
using Verdict = ContactRing::Verdict;
using wire::Address;
using wire::Endpoint;
using wire::Family;

namespace {

struct Bench {
  explicit Bench(Family f, std::size_t capacity, bool is_diverse = true, std::uint64_t seed = 1)
      : family(f),
        diverse(is_diverse),
        rng(wire::Rng::from_number(seed)),
        memory(ContactRing::bytes_for(f, capacity)),
        ring(f, capacity, is_diverse, names, memory, rng) {}

  Address address(std::uint32_t n) const {
    if (family == Family::v4) return Address::v4(n);
    std::array<std::uint8_t, 16> raw{0x26, 0x00};
    wire::store_be32(raw.data() + 2, n);
    raw[15] = 1;
    return Address::v6(raw);
  }
  /// Spread over many prefixes; not two of the same n.
  Address spread(std::uint32_t n) const {
    const std::uint32_t mixed = n * 0x9e3779b1u;
    return address((11 + (mixed >> 24) % 80) << 24 | (mixed & 0xffffff));
  }
  Contact contact(const Address& at, std::uint16_t port = 6881, bool proven = true) {
    Contact c{dht::derive_id(at, rng), {at, port}};
    if (!proven) c.id.bytes()[0] ^= 0x80;
    return c;
  }
  Verdict answer(const Contact& c) { return ring.answered(c, names.of(c.endpoint)); }
  ContactRing::Position find(const Endpoint& e) const { return ring.find(names.of(e), dht::CompactEndpoint(e).data()); }
  std::vector<Contact> all() const {
    std::vector<Contact> out;
    dht::for_each_contact(ring.contacts(), family, 1'000'000, [&](const Contact& c) { out.push_back(c); });
    return out;
  }

  Family family;
  bool diverse;
  wire::Rng rng;
  dht::AddressNames names{family, !diverse, wire::SipKey{7}};
  wire::ByteVector memory;
  ContactRing ring;
};

}  // namespace

TEST_CASE("a ring takes at most 32 bytes of a v4 node, index and all") {
  for (const std::size_t n : {std::size_t{1'000}, std::size_t{1'000'000}, std::size_t{10'000'000}}) {
    CHECK(static_cast<double>(ContactRing::bytes_for(Family::v4, n)) / static_cast<double>(n) <= 32.0);
    CHECK(static_cast<double>(ContactRing::bytes_for(Family::v6, n)) / static_cast<double>(n) <= 44.0);
  }
}

TEST_CASE("a ring is what a naive list of one contact per address would be") {
  for (const Family family : {Family::v4, Family::v6}) {
    for (const bool diverse : {true, false}) {
      CAPTURE(static_cast<int>(family), diverse);
      Bench b{family, 200, diverse, diverse ? 1u : 2u};
      std::map<std::pair<Address, std::uint16_t>, Contact> model;  // in a private net each port is somebody
      std::map<std::pair<Address, std::uint16_t>, int> tries;
      std::size_t others = 0;
      const auto key = [&](const Endpoint& e) { return std::pair{e.address, diverse ? std::uint16_t{} : e.port}; };
      const auto is_other = [&](const Contact& c) { return diverse && !dht::id_matches(c.id, c.endpoint.address); };
      const auto count = [&] {
        others = static_cast<std::size_t>(
            std::count_if(model.begin(), model.end(), [&](const auto& e) { return is_other(e.second); }));
      };
      for (int step = 0; step < 20'000; ++step) {
        const auto what = b.rng.below(10);
        if (what < 6) {
          const auto port = static_cast<std::uint16_t>(6'881 + b.rng.below(2));
          const Contact c = b.contact(b.spread(static_cast<std::uint32_t>(b.rng.below(500))), port, b.rng.chance(0.6));
          const auto known = model.find(key(c.endpoint));
          count();
          const bool full = model.size() == 200;
          switch (b.answer(c)) {
            case Verdict::added:
              REQUIRE(known == model.end());
              CHECK_FALSE(full);
              model[key(c.endpoint)] = c;
              tries[key(c.endpoint)] = 0;
              break;
            case Verdict::displaced: {
              REQUIRE(known == model.end());
              CHECK(full);
              // Exactly one is gone.
              std::vector<std::pair<Address, std::uint16_t>> gone;
              for (const auto& [k, old] : model)
                if (b.find(old.endpoint) == ContactRing::kNone) gone.push_back(k);
              REQUIRE(gone.size() == 1);
              if (is_other(c)) CHECK(is_other(model.at(gone[0])));
              model.erase(gone[0]);
              tries.erase(gone[0]);
              model[key(c.endpoint)] = c;
              tries[key(c.endpoint)] = 0;
              break;
            }
            case Verdict::renewed:
              REQUIRE(known != model.end());
              CHECK((known->second.endpoint == c.endpoint || tries[known->first] > 0));
              known->second = c;
              tries[known->first] = 0;
              break;
            case Verdict::taken:
              REQUIRE(known != model.end());
              CHECK(known->second.endpoint.port != port);
              CHECK(tries[known->first] == 0);
              break;
            case Verdict::full:
              CHECK(known == model.end());
              CHECK(full);
              break;
            case Verdict::unproven:
              CHECK(is_other(c));
              CHECK(others >= 100);
              if (known != model.end()) model.erase(known);
              break;
            case Verdict::crowded: FAIL("nobody is crowded out of so few"); break;
          }
        } else if (what == 6 && !model.empty()) {
          const auto at = std::next(model.begin(), static_cast<long>(b.rng.below(model.size())));
          const auto place = b.find(at->second.endpoint);
          tries[key(b.ring.contact(static_cast<ContactRing::Position>(b.ring.size() - 1)).endpoint)] = 0;
          b.ring.remove(place);
          tries.erase(at->first);
          model.erase(at);
        } else if (what == 7 && !model.empty()) {
          const auto at = std::next(model.begin(), static_cast<long>(b.rng.below(model.size())));
          b.ring.asked(b.find(at->second.endpoint));
          tries[at->first] = std::min(tries[at->first] + 1, 3);
        } else if (what == 8) {
          (void)b.ring.walk(b.rng.below(20));
          (void)b.ring.take(b.rng.below(20));
        } else if (b.rng.chance(0.05)) {
          b.ring.let_in(1);
        }
        REQUIRE(b.ring.size() == model.size());
        if (step % 200 != 0) continue;
        b.ring.check_invariants();
        count();
        CHECK(b.ring.others() == others);
        CHECK(others <= 100);
        for (const Contact& c : b.all()) {
          CHECK(model.at(key(c.endpoint)) == c);
          CHECK(b.ring.tries(b.find(c.endpoint)) == tries.at(key(c.endpoint)));
        }
      }
    }
  }
}

TEST_CASE("T8 slices go round the ring: each node is handed out as often as any other") {
  Bench b{Family::v4, 100};
  CHECK(b.ring.take(16).first.empty());
  for (std::uint32_t i = 0; i < 37; ++i) CHECK(b.answer(b.contact(b.spread(i))) == Verdict::added);
  std::map<Endpoint, int> handed;
  std::vector<Contact> before;
  for (int i = 0; i < 37; ++i) {
    const auto slice = b.ring.take(16);
    CHECK(slice.first.size() + slice.second.size() == 16 * 26);
    std::vector<Contact> now;
    for (const wire::Bytes part : {slice.first, slice.second})
      dht::for_each_contact(part, Family::v4, 16, [&](const Contact& c) { now.push_back(c); });
    CHECK(now != before);
    before = now;
    for (const Contact& c : now) ++handed[c.endpoint];
  }
  CHECK(handed.size() == 37);
  for (const auto& [endpoint, n] : handed) CHECK(n == 16);
  // Never one twice in a slice.
  CHECK(b.ring.take(1'000).first.size() + b.ring.take(0).second.size() <= 37 * 26);
}

TEST_CASE("one entry per address, and of a v6 host's many addresses one") {
  Bench b{Family::v6, 100};
  std::array<std::uint8_t, 16> raw{0x26, 0x00, 1, 2, 3, 4, 5, 6};
  for (std::uint8_t i = 1; i < 50; ++i) {
    raw[15] = i;
    const Verdict verdict = b.answer(b.contact(Address::v6(raw)));
    CHECK(verdict == (i == 1 ? Verdict::added : Verdict::taken));
  }
  CHECK(b.ring.size() == 1);
  raw[7] = 7;
  CHECK(b.answer(b.contact(Address::v6(raw))) == Verdict::added);
}

TEST_CASE("a full ring prefers ids that their addresses allow, and the others fill at most half of it") {
  Bench b{Family::v4, 1'000};
  std::uint32_t n = 0;
  while (n < 2'000) b.answer(b.contact(b.spread(n++), 6881, false));
  CHECK(b.ring.size() == 500);
  CHECK(b.ring.others() == 500);
  for (std::uint32_t i = 0; i < 500; ++i) CHECK(b.answer(b.contact(b.spread(n++))) == Verdict::added);
  CHECK(b.answer(b.contact(b.spread(n++), 6881, false)) == Verdict::unproven);
  // Those whose id is right take their places.
  for (std::uint32_t i = 0; i < 400; ++i) CHECK(b.answer(b.contact(b.spread(n++))) == Verdict::displaced);
  CHECK(b.ring.others() == 100);
  CHECK(b.ring.size() == 1'000);
  b.ring.check_invariants();
}

TEST_CASE("a full ring lets a newcomer in only for one that has not been asked for longest, as often as it is told") {
  Bench b{Family::v4, 300};
  std::uint32_t n = 0;
  while (n < 300) b.answer(b.contact(b.spread(n++)));
  CHECK(b.answer(b.contact(b.spread(n++))) == Verdict::full);
  const auto run = b.ring.walk(10);
  CHECK(run.begin == 0);
  CHECK(run.count == 10);
  const Contact next = b.ring.contact(10);
  b.ring.let_in(1);
  CHECK(b.answer(b.contact(b.spread(n++))) == Verdict::displaced);
  CHECK(b.find(next.endpoint) == ContactRing::kNone);
  CHECK(b.ring.newest() == 10);
  CHECK(b.ring.walk(1).begin == 11);
  CHECK(b.answer(b.contact(b.spread(n++))) == Verdict::full);
  b.ring.remove(250);
  CHECK(b.answer(b.contact(b.spread(n++))) == Verdict::added);
}

TEST_CASE("S4 a /8 that floods the ring has an eighth of it, and a /16 of it a 64th") {
  Bench b{Family::v4, 20'000};
  for (std::uint32_t i = 0; i < 4'000; ++i) b.answer(b.contact(b.spread(i)));
  const std::size_t honest = b.ring.size();
  CHECK(honest >= 3'900);
  std::size_t taken = 0, crowded = 0;
  // All of 200.0.0.0/8, with the best of ids, who answer each time.
  for (std::uint32_t i = 0; i < 100'000; ++i) {
    const Verdict verdict = b.answer(b.contact(Address::v4(200u << 24 | (i * 0x9e3779b1u) >> 8)));
    taken += verdict == Verdict::added;
    crowded += verdict == Verdict::crowded;
  }
  CHECK(b.ring.size() == honest + taken);
  CHECK(taken <= b.ring.size() / 8 + 1);
  CHECK(taken >= b.ring.size() / 16);
  CHECK(crowded == 100'000 - taken);
  // One /16.
  taken = 0;
  for (std::uint32_t i = 0; i < 65'536; ++i)
    taken += b.answer(b.contact(Address::v4(201u << 24 | i))) == Verdict::added;
  CHECK(taken <= b.ring.size() / 64 + 1);
  // The honest are all there, and others still get in.
  CHECK(b.answer(b.contact(Address::v4(10u << 24 | 77))) == Verdict::added);
  b.ring.check_invariants();
}
