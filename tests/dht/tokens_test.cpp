// SPDX-License-Identifier: Apache-2.0
#include "dht/tokens.hpp"

#include <catch2/catch.hpp>

using namespace lodestone;
using namespace std::chrono_literals;

TEST_CASE("S1 a token is good for its address and info-hash, this period and the next") {
  auto rng = wire::Rng::from_number(1);
  const wire::Instant start{1h};
  dht::Tokens tokens{start, 5min, rng};
  const auto who = wire::Address::v4(1, 2, 3, 4);
  const auto hash = rng.id<wire::Key>();
  const auto token = tokens.make(start, who, hash, rng);
  const auto valid = [&](wire::Instant now) { return tokens.valid(now, who, hash, token, rng); };
  CHECK(valid(start));
  CHECK_FALSE(tokens.valid(start, wire::Address::v4(1, 2, 3, 5), hash, token, rng));
  CHECK_FALSE(tokens.valid(start, who, rng.id<wire::Key>(), token, rng));
  CHECK_FALSE(tokens.valid(start, who, hash, wire::Bytes{token}.first(7), rng));
  CHECK_FALSE(tokens.valid(start, who, hash, {}, rng));
  CHECK(valid(start + 4min));
  CHECK(valid(start + 6min));
  CHECK(valid(start + 9min));
  CHECK_FALSE(valid(start + 10min));
}

TEST_CASE("S1 after a long silence no old token is accepted") {
  auto rng = wire::Rng::from_number(2);
  const wire::Instant start{1h};
  dht::Tokens tokens{start, 5min, rng};
  const auto who = wire::Address::v4(1, 2, 3, 4);
  const auto hash = rng.id<wire::Key>();
  const auto token = tokens.make(start, who, hash, rng);
  CHECK_FALSE(tokens.valid(start + 24h, who, hash, token, rng));
  CHECK(tokens.make(start + 24h, who, hash, rng) != token);
}

TEST_CASE("S1 two nodes give different tokens") {
  auto rng = wire::Rng::from_number(3);
  dht::Tokens a{wire::Instant{}, 5min, rng};
  dht::Tokens b{wire::Instant{}, 5min, rng};
  const auto who = wire::Address::v4(1, 2, 3, 4);
  CHECK(a.make(wire::Instant{}, who, {}, rng) != b.make(wire::Instant{}, who, {}, rng));
}
