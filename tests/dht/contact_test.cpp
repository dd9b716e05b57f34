// SPDX-License-Identifier: Apache-2.0
#include "dht/contact.hpp"

#include <vector>

#include <catch2/catch.hpp>

#include "wire/base/rng.hpp"

using namespace lodestone;
using dht::Contact;

TEST_CASE("compact contacts survive a round trip in both families") {
  auto rng = wire::Rng::from_number(1);
  for (const char* text : {"1.2.3.4:6881", "[2001:4860::1]:65535"}) {
    const Contact c{rng.id<wire::NodeId>(), *wire::Endpoint::parse(text)};
    std::uint8_t raw[38];
    const auto family = c.endpoint.family();
    REQUIRE(c.write_compact(raw) == Contact::compact_size(family));
    CHECK(Contact::read_compact(raw, family) == c);
  }
}

TEST_CASE("a list of compact contacts is read whole ones only and at most as many as asked for") {
  const wire::ByteVector raw(26 * 3 + 25, 7);
  const auto count = [&](std::size_t max) {
    std::size_t n = 0;
    dht::for_each_contact(raw, wire::Family::v4, max, [&](const Contact& c) {
      ++n;
      CHECK(c.endpoint.port == 0x0707);
    });
    return n;
  };
  CHECK(count(100) == 3);
  CHECK(count(2) == 2);
  CHECK(count(0) == 0);
}
