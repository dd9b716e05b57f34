// SPDX-License-Identifier: Apache-2.0
#include "dht/hearsay.hpp"

#include <algorithm>
#include <vector>

#include <catch2/catch.hpp>

#include "wire/base/rng.hpp"

using namespace lodestone;
using dht::Contact;
using dht::Hearsay;

namespace {

std::uint8_t octet(wire::Rng& rng) { return static_cast<std::uint8_t>(rng.below(256)); }

Contact random_contact(wire::Rng& rng) {
  return {
      rng.id<wire::NodeId>(),
      {wire::Address::v4(11, octet(rng), octet(rng), octet(rng)), static_cast<std::uint16_t>(1 + rng.below(65'535))}};
}

std::vector<Contact> near(const Hearsay& hearsay, const wire::Key& target, std::size_t n) {
  std::vector<Contact> out;
  hearsay.for_each_near(target, n, [&](const Contact& c) { out.push_back(c); });
  return out;
}

}  // namespace

TEST_CASE("what was named is found near its id, closest places first, as brute force has it") {
  auto rng = wire::Rng::from_number(5);
  constexpr std::size_t kPlaces = 256;
  Hearsay hearsay{wire::Family::v4, kPlaces};
  std::vector<std::optional<Contact>> model(kPlaces);
  for (int i = 0; i < 400; ++i) {
    const Contact c = random_contact(rng);
    hearsay.named(c);
    model[c.id.bytes()[0]] = c;  // 256 places: the first byte is the place, and the latest has it
  }
  hearsay.check_invariants();
  CHECK(hearsay.size() == static_cast<std::size_t>(
                              std::count_if(model.begin(), model.end(), [](const auto& c) { return c.has_value(); })));
  for (int i = 0; i < 50; ++i) {
    const auto target = rng.id<wire::Key>();
    std::vector<Contact> expected;
    for (const auto& c : model)
      if (c) expected.push_back(*c);
    std::sort(expected.begin(), expected.end(),
              [&](const Contact& a, const Contact& b) { return wire::closer(target, a.id, b.id); });
    expected.resize(8);
    CHECK(near(hearsay, target, 8) == expected);
  }
}

TEST_CASE("hearsay that was settled is gone, and only that") {
  auto rng = wire::Rng::from_number(6);
  Hearsay hearsay{wire::Family::v4, 16};
  const Contact first = random_contact(rng);
  Contact elsewhere = first;
  elsewhere.endpoint.port ^= 1;
  if (elsewhere.endpoint.port == 0) elsewhere.endpoint.port = 2;
  hearsay.settled(first);  // nothing there yet
  hearsay.named(first);
  hearsay.settled(elsewhere);
  CHECK(near(hearsay, wire::Key{first.id.bytes()}, 4) == std::vector{first});
  hearsay.named(elsewhere);
  CHECK(near(hearsay, wire::Key{first.id.bytes()}, 4) == std::vector{elsewhere});
  hearsay.settled(elsewhere);
  CHECK(hearsay.size() == 0);
  CHECK(near(hearsay, wire::Key{first.id.bytes()}, 4).empty());
  hearsay.check_invariants();
}

TEST_CASE("L8 whoever makes up ids for a target holds one place near it") {
  auto rng = wire::Rng::from_number(7);
  Hearsay hearsay{wire::Family::v4, 16'384};
  for (int i = 0; i < 20'000; ++i) hearsay.named(random_contact(rng));
  const auto target = rng.id<wire::Key>();
  for (int i = 0; i < 1'000; ++i) {
    Contact sybil = random_contact(rng);
    std::copy_n(target.bytes().begin(), 3, sybil.id.bytes().begin());  // within 2^-24
    hearsay.named(sybil);
  }
  const auto found = near(hearsay, target, 16);
  REQUIRE(found.size() == 16);
  CHECK(std::count_if(found.begin(), found.end(), [&](const Contact& c) {
          return std::equal(target.bytes().begin(), target.bytes().begin() + 3, c.id.bytes().begin());
        }) == 1);
}

TEST_CASE("hearsay takes memory when there is some, and the other family and port 0 never") {
  Hearsay none{wire::Family::v4, 0};
  auto rng = wire::Rng::from_number(8);
  const Contact v4 = random_contact(rng);
  none.named(v4);
  none.settled(v4);
  CHECK(none.size() == 0);
  CHECK(none.bytes() == 0);
  Hearsay v6{wire::Family::v6, 1'024};
  CHECK(v6.bytes() == 0);
  v6.named(v4);
  CHECK(v6.size() == 0);
  Contact c{rng.id<wire::NodeId>(), *wire::Endpoint::parse("[2001:db8::1]:6881")};
  c.endpoint.port = 0;
  v6.named(c);
  CHECK(v6.size() == 0);
  c.endpoint.port = 256;  // its low byte is zero
  v6.named(c);
  CHECK(near(v6, wire::Key{c.id.bytes()}, 1) == std::vector{c});
  CHECK(v6.bytes() == 512 * Contact::compact_size(wire::Family::v6));
}

TEST_CASE("hearsay grows with what it holds, and loses nothing by that") {
  auto rng = wire::Rng::from_number(9);
  constexpr std::size_t kMost = 16'384, kNamed = 8'000;
  Hearsay hearsay{wire::Family::v4, kMost};
  std::vector<Contact> named;
  for (std::size_t i = 0; i < kNamed; ++i) {
    Contact c = random_contact(rng);
    // Evenly over the key space, in an order that leaves no two in one place at any time.
    std::size_t place = 0;
    for (std::size_t bit = 0; bit < 13; ++bit) place |= (i >> bit & 1) << (15 - bit);
    c.id.bytes()[0] = static_cast<std::uint8_t>(place >> 8);
    c.id.bytes()[1] = static_cast<std::uint8_t>(place);
    hearsay.named(c);
    named.push_back(c);
    CHECK(hearsay.size() == named.size());
    CHECK(hearsay.bytes() <= std::max<std::size_t>(512, 16 * named.size()) * Contact::compact_size(wire::Family::v4));
  }
  hearsay.check_invariants();
  CHECK(hearsay.bytes() == kMost * Contact::compact_size(wire::Family::v4));
  for (const Contact& c : named) CHECK(near(hearsay, wire::Key{c.id.bytes()}, 1) == std::vector{c});
}
