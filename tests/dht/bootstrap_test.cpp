// SPDX-License-Identifier: Apache-2.0
#include "dht/bootstrap.hpp"

#include <set>

#include <catch2/catch.hpp>

using namespace lodestone;
using namespace std::chrono_literals;

namespace {

constexpr wire::Instant kStart{1h};
wire::Endpoint introducer(std::uint32_t n) { return {wire::Address::v4(0x0b000000u + n), 6881}; }

}  // namespace

TEST_CASE("T9 the join is repeated with back-off for ever while the table is nearly empty") {
  auto rng = wire::Rng::from_number(1);
  dht::Bootstrap b{8};
  CHECK(b.next_deadline() == wire::kNever);
  CHECK(b.add(kStart, introducer(1), 0));
  CHECK_FALSE(b.add(kStart, introducer(1), 0));
  wire::Instant now = kStart;
  wire::Duration longest{};
  int joins = 0;
  while (now < kStart + 24h) {
    REQUIRE(b.next_deadline() != wire::kNever);
    longest = std::max(longest, b.next_deadline() - now);
    now = std::max(now, b.next_deadline());
    CHECK(b.due(now));
    b.started();
    CHECK_FALSE(b.due(now + 1h));
    now += 3s;
    b.finished(now, joins % 8, rng);
    ++joins;
  }
  CHECK(longest <= 76s);  // a minute and jitter
  CHECK(joins > 1'000);
  CHECK(joins < 2'000);
}

TEST_CASE("T9 a table with enough contacts needs no join until it shrinks") {
  auto rng = wire::Rng::from_number(2);
  dht::Bootstrap b{8};
  b.add(kStart, introducer(1), 0);
  b.started();
  b.finished(kStart + 1s, 8, rng);
  CHECK(b.next_deadline() == wire::kNever);
  b.table_shrank(kStart + 1h, 8);
  CHECK(b.next_deadline() == wire::kNever);
  b.table_shrank(kStart + 1h, 7);
  CHECK(b.next_deadline() <= kStart + 1h + 1s);
}

TEST_CASE("T9 a new introducer or the first contact makes a join due at once") {
  auto rng = wire::Rng::from_number(3);
  dht::Bootstrap b{8};
  b.add(kStart, introducer(1), 0);
  for (int i = 0; i < 10; ++i) {
    b.started();
    b.finished(kStart, 1, rng);
  }
  CHECK(b.next_deadline() > kStart + 40s);
  b.add(kStart, introducer(2), 0);
  CHECK(b.due(kStart));
  b.started();
  b.add(kStart, introducer(3), 0);  // while one is running: another soon after
  b.finished(kStart, 1, rng);
  CHECK(b.next_deadline() <= kStart + 2s);
}

TEST_CASE("T9 an introducer is remembered and not asked while the table has enough") {
  dht::Bootstrap b{8};
  CHECK(b.add(kStart, introducer(1), 8));
  CHECK(b.next_deadline() == wire::kNever);
  b.table_shrank(kStart, 7);
  CHECK(b.next_deadline() != wire::kNever);
  CHECK(b.batch() == std::vector{introducer(1)});
}

TEST_CASE("T9 with nobody to ask nothing is due") {
  auto rng = wire::Rng::from_number(4);
  dht::Bootstrap b{8};
  b.first_contact(kStart);
  CHECK(b.due(kStart));
  b.started();
  b.finished(kStart, 0, rng);
  CHECK(b.next_deadline() == wire::kNever);
}

TEST_CASE("T9 many introducers take turns") {
  dht::Bootstrap b{8};
  for (std::uint32_t i = 0; i < 1'000; ++i) b.add(kStart, introducer(i), 0);
  std::set<wire::Endpoint> seen;
  for (int i = 0; i < 8; ++i) {
    const auto batch = b.batch();
    CHECK(batch.size() == 32);
    seen.insert(batch.begin(), batch.end());
  }
  CHECK(seen.size() == 256);
  // Whoever came first stays; of the others the latest are there.
  for (std::uint32_t i = 0; i < 64; ++i) CHECK(seen.contains(introducer(i)));
  CHECK(seen.contains(introducer(999)));
}

TEST_CASE("T9 introducers that give way to newer ones are counted") {
  dht::Bootstrap b{8};
  for (int i = 0; i < 256; ++i) b.add(kStart, {wire::Address::v4(0x0c000000u + static_cast<std::uint32_t>(i)), 1}, 8);
  CHECK(b.displaced() == 0);
  for (int i = 0; i < 3; ++i) b.add(kStart, {wire::Address::v4(0x0d000000u + static_cast<std::uint32_t>(i)), 1}, 8);
  CHECK(b.displaced() == 3);
}
