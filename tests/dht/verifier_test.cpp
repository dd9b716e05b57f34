// SPDX-License-Identifier: Apache-2.0
#include "dht/verifier.hpp"

#include <catch2/catch.hpp>

using namespace lodestone;
using namespace std::chrono_literals;

namespace {

dht::Contact contact(std::uint32_t n) {
  dht::Contact c;
  wire::store_be32(c.id.bytes().data(), n);
  c.endpoint = {wire::Address::v4(0x0b000000u + n), 6881};
  return c;
}

constexpr wire::Instant kStart{1h};

}  // namespace

TEST_CASE("T2 contacts are verified when their time has come, at most 50 a second") {
  dht::Verifier v{50};
  for (std::uint32_t i = 0; i < 200; ++i) CHECK(v.offer(kStart, contact(i), kStart));
  CHECK(v.offer(kStart, contact(999), kStart + 5min));
  wire::Instant now = kStart;
  int taken = 0;
  while (v.next_deadline() < kStart + 5min) {
    now = v.next_deadline();
    while (v.take_due(now)) ++taken;
    CHECK(taken <= 1.001 + 50 * wire::to_seconds(now - kStart));
  }
  CHECK(taken == 200);
  CHECK(now - kStart >= 3900ms);
  CHECK_FALSE(v.take_due(kStart + 5min - 1ns));
  CHECK(v.take_due(kStart + 5min)->id == contact(999).id);
  CHECK(v.next_deadline() == wire::kNever);
}

TEST_CASE("T2 the queue is bounded, and nobody is in it twice") {
  dht::Verifier v{50};
  CHECK(v.offer(kStart, contact(1), kStart + 5min));
  CHECK_FALSE(v.offer(kStart, contact(1), kStart));
  for (std::uint32_t i = 2; i < 10'000; ++i) v.offer(kStart, contact(i), kStart + 5min);
  CHECK_FALSE(v.takes(kStart + 5min));
  CHECK(v.size() == 256);
  // Who would wait longest gives way to who is due sooner.
  CHECK(v.takes(kStart + 2min));
  CHECK(v.offer(kStart, contact(10'001), kStart + 2min));
  CHECK(v.size() == 256);
  CHECK(v.next_deadline() == kStart + 2min);
  CHECK(v.displaced() == 1);
  CHECK(v.avoided() == 0);
  CHECK(v.offer_saved(kStart, contact(20'000), kStart));
  CHECK(v.take_due(kStart)->id == contact(20'000).id);
}

TEST_CASE("T2 who did not answer is left alone for a while") {
  dht::Verifier v{50};
  v.failed(kStart, contact(1).endpoint);
  CHECK_FALSE(v.offer(kStart + 29s, contact(1), kStart));
  CHECK(v.avoided() == 1);
  CHECK(v.offer(kStart + 30s, contact(1), kStart));
  for (std::uint32_t i = 0; i < 1'000; ++i) v.failed(kStart + 1min, contact(i).endpoint);
  CHECK_FALSE(v.offer(kStart + 1min, contact(999), kStart));
}
