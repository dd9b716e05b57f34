// SPDX-License-Identifier: Apache-2.0
#include "dht/expected_names.hpp"

#include <algorithm>
#include <vector>

#include <catch2/catch.hpp>

#include "dht/secret.hpp"
#include "wire/base/rng.hpp"

using namespace lodestone;
using dht::AddressNames;
using dht::ExpectedNames;

TEST_CASE("Everybody has the name that the tables have for him, expected or not") {
  auto rng = wire::Rng::from_number(4);
  const AddressNames names(wire::Family::v4, false, dht::random_secret(rng));
  std::vector<wire::Endpoint> sources;
  for (std::uint32_t i = 0; i < 100; ++i) sources.push_back({wire::Address::v4(0x0b000001 + i), 6881});

  ExpectedNames expected;
  CHECK(expected.of(sources[0], names) == names.of(sources[0]));
  expected.expect(sources, names);
  std::vector<AddressNames::Name> told;
  expected.for_each([&](AddressNames::Name name) { told.push_back(name); });
  REQUIRE(told.size() == ExpectedNames::kMost);
  for (std::size_t i = 0; i < told.size(); ++i) CHECK(told[i] == names.of(sources[i]));

  // In their order, with gaps of any length, twice, and backwards.
  for (const std::size_t step : {1u, 2u, 5u, 30u}) {
    expected.expect(sources, names);
    for (std::size_t i = 0; i < sources.size(); i += step)
      CHECK(expected.of(sources[i], names) == names.of(sources[i]));
  }
  for (const auto& source : sources) CHECK(expected.of(source, names) == names.of(source));
  expected.expect(sources, names);
  std::reverse(sources.begin(), sources.end());
  for (const auto& source : sources) CHECK(expected.of(source, names) == names.of(source));

  expected.expect({}, names);
  expected.for_each([](AddressNames::Name) { FAIL("nobody is expected any more"); });
}
