// SPDX-License-Identifier: Apache-2.0
#include "wire/base/token_bucket.hpp"

#include <catch2/catch.hpp>

using namespace lodestone::wire;
using namespace std::chrono_literals;

TEST_CASE("a bucket starts full and lets the burst through at once") {
  const Instant now{1h};
  TokenBucket bucket{10, 3};
  CHECK(bucket.take(now));
  CHECK(bucket.take(now));
  CHECK(bucket.take(now));
  CHECK_FALSE(bucket.take(now));
  CHECK_FALSE(bucket.take(now + 99ms));
  CHECK(bucket.take(now + 101ms));
}

TEST_CASE("a bucket never holds more than its burst") {
  const Instant now{1h};
  TokenBucket bucket{10, 3};
  REQUIRE(bucket.take(now, 3));
  CHECK(bucket.available(now + 200ms) == Approx(2));
  CHECK(bucket.available(now + 24h) == Approx(3));
  CHECK_FALSE(bucket.take(now + 24h, 3.5));
}

TEST_CASE("over a long time the rate is kept, however often is asked") {
  Instant now{1h};
  TokenBucket bucket{20, 100};
  int taken = 0;
  for (int i = 0; i < 100'000; ++i) {  // 100 s in steps of 1 ms
    now += 1ms;
    if (bucket.take(now)) ++taken;
  }
  CHECK(taken >= 100 + 20 * 100 - 2);
  CHECK(taken <= 100 + 20 * 100);
}

TEST_CASE("ready_at names an instant at which the tokens are there, and not much later than need be") {
  const Instant now{1h};
  TokenBucket bucket{3, 10};
  CHECK(bucket.ready_at(now, 10) == now);
  REQUIRE(bucket.take(now, 10));
  const Instant ready = bucket.ready_at(now, 7);
  TokenBucket early = bucket;
  CHECK_FALSE(early.take(ready - 1us, 7));
  CHECK(bucket.take(ready, 7));
}

TEST_CASE("a bucket that hardly or never refills is never ready") {
  const Instant now{1h};
  for (const double rate : {0.0, 1e-12}) {
    TokenBucket bucket{rate, 1};
    CHECK(bucket.ready_at(now) == now);
    REQUIRE(bucket.take(now));
    CHECK(bucket.ready_at(now) == kNever);
  }
}

TEST_CASE("an instant in the past neither refills nor drains") {
  const Instant now{1h};
  TokenBucket bucket{10, 1};
  REQUIRE(bucket.take(now));
  CHECK_FALSE(bucket.take(now - 1h));
  CHECK_FALSE(bucket.take(now));
  CHECK(bucket.take(now + 101ms));
}
