// SPDX-License-Identifier: Apache-2.0
#include "dht/standings.hpp"

#include <map>

#include <catch2/catch.hpp>

#include "wire/base/rng.hpp"

using namespace lodestone;
using dht::Standing;
using dht::Standings;

TEST_CASE("S3 standings are what a map of them is, without those that have run out") {
  auto rng = wire::Rng::from_number(1);
  Standings standings{10'000};
  std::map<std::uint32_t, Standing> model;
  std::uint32_t now = 0;
  for (int step = 0; step < 30'000; ++step) {
    now += rng.below(10) == 0;
    // Few enough that they meet again; some where the places wrap around, and the name that means empty.
    auto name = static_cast<std::uint32_t>(rng.below(400)) * 0x0101'0101u;
    if (step % 7 == 0) name = 0xffff'ff00u + static_cast<std::uint32_t>(rng.below(64));
    if (step % 101 == 0) name = 0;
    const auto known = model.find(name == 0 ? 1 : name);
    const Standing expected = known == model.end() ? Standing{} : known->second;
    const Standing* found = standings.find(name);
    if (found == nullptr) {
      REQUIRE(expected.idle(now));
    } else if (!expected.idle(now)) {
      REQUIRE(found->spent == expected.spent);
      REQUIRE(found->verified_until == expected.verified_until);
    }
    if (rng.below(3) != 0) continue;
    Standing& made = standings.make(name, now);
    made = {rng.below(2) == 0 ? now + 100 : 0, rng.below(4) == 0 ? 5u : 0u};
    model[name == 0 ? 1 : name] = made;
    if (step % 50 == 0) standings.check_invariants();
  }
  CHECK(standings.displaced() == 0);
  CHECK(standings.bytes() <= 12 * (16 + 2 * model.size()));
}

TEST_CASE("S3 standings are bounded, and of too many some are forgotten") {
  auto rng = wire::Rng::from_number(2);
  Standings standings{1'000};
  for (int i = 0; i < 10'000; ++i) {
    standings.make(static_cast<std::uint32_t>(rng.next()), 0).spent = 1;
    REQUIRE(standings.size() <= 1'000);
  }
  standings.check_invariants();
  CHECK(standings.size() >= 800);
  CHECK(standings.displaced() >= 9'000 - 1);
  CHECK(standings.bytes() <= 12 * 2'000);
  // Nothing is held for those that have run out.
  Standings brief{1'000};
  for (std::uint32_t i = 0; i < 10'000; ++i)
    brief.make(static_cast<std::uint32_t>(rng.next()), i).verified_until = i + 5;
  CHECK(brief.bytes() <= 12 * 64);
  CHECK(brief.displaced() == 0);
}
