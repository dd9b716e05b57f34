// SPDX-License-Identifier: Apache-2.0
#include "dht/starting_points.hpp"

#include <set>

#include <catch2/catch.hpp>

using namespace lodestone;
using namespace lodestone::dht;
using namespace std::chrono_literals;

namespace {

constexpr wire::Instant kStart{1h};

/// In a corner of the key space, each in a /24 of its own.
Contact in_a_corner(std::uint32_t n, wire::Rng& rng) {
  Contact c{rng.id<wire::NodeId>(), {wire::Address::v4(0x0b000001u + (n << 8)), 6881}};
  c.id.bytes()[0] = 0xab;
  return c;
}

}  // namespace

TEST_CASE("while the contact store holds little it asks for keys from anywhere, later for what is near") {
  NodeConfig config;
  config.limits.contact_store = 1'000;
  config.limits.store_fill_below = 50;
  auto rng = wire::Rng::from_number(3);
  StartingPoints points(kStart, config, rng);
  std::uint32_t n = 0;
  for (; n < 20; ++n) points.answered(kStart, in_a_corner(n, rng), 50ms);
  points.begin(kStart);
  const auto ask_for_a_minute = [&](wire::Instant from) {
    std::set<std::uint8_t> begins;
    for (std::uint32_t i = 0; i < 6'000; ++i) {
      const wire::Instant now = from + 10ms * i;
      if (i < 2'000) points.named(now, in_a_corner(5'000 + n++, rng));
      while (const auto question = points.take_due(now, rng)) begins.insert(question->target.bytes()[0]);
    }
    return begins;
  };
  CHECK(ask_for_a_minute(kStart).size() > 128);
  for (std::uint32_t i = 0; i < 200; ++i) points.answered(kStart + 2min, in_a_corner(100'000 + i, rng), 50ms);
  REQUIRE(points.size() > 50);
  const auto near = ask_for_a_minute(kStart + 2min);
  CHECK(!near.empty());
  CHECK(near.size() <= 8);  // these share the first bits with whom they are sent to
}
