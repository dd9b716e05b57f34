// SPDX-License-Identifier: Apache-2.0
#include "dht/outage.hpp"

#include <catch2/catch.hpp>

using namespace lodestone;
using namespace lodestone::dht;
using namespace std::chrono_literals;

namespace {

constexpr wire::Instant kStart{1h};

/// In the n-th /24.
Contact contact(std::uint8_t n, std::uint8_t host = 1) {
  Contact c;
  c.id.bytes()[0] = n;
  c.id.bytes()[1] = host;
  c.endpoint = {wire::Address::v4(80, 1, n, host), 6881};
  return c;
}

std::vector<Contact> taken(Outage& outage, wire::Instant now) {
  std::vector<Contact> out;
  while (const auto c = outage.take(now)) out.push_back(*c);
  return out;
}

}  // namespace

TEST_CASE("T5 while packets come in a failure counts at once") {
  Outage outage;
  CHECK(!outage.heard(kStart + 1s));
  CHECK(!outage.failed(kStart + 2s, contact(1), kStart));
  CHECK(taken(outage, kStart + 2s) == std::vector{contact(1)});
  CHECK(outage.next_deadline() == wire::kNever);
}

TEST_CASE("T5 with nothing heard since the query a failure waits for the next packet") {
  Outage outage;
  outage.heard(kStart);
  for (std::uint8_t i = 0; i < 3; ++i) CHECK(!outage.failed(kStart + 10s, contact(i), kStart + 1s));
  CHECK(taken(outage, kStart + 11s).empty());
  CHECK(!outage.heard(kStart + 12s));
  CHECK(taken(outage, kStart + 12s).size() == 3);
}

TEST_CASE("T5 in a network too small to tell a failure counts after a minute") {
  Outage outage;
  CHECK(!outage.failed(kStart, contact(1), kStart - 10s));
  CHECK(outage.next_deadline() == kStart + 60s);
  CHECK(taken(outage, kStart + 59s).empty());
  CHECK(taken(outage, kStart + 60s) == std::vector{contact(1)});
  CHECK(!outage.offline());
}

TEST_CASE("T5 eight contacts in four prefixes make an outage, and count for nothing") {
  Outage outage;
  for (std::uint8_t i = 0; i < 7; ++i) CHECK(!outage.failed(kStart + 1s * i, contact(i % 4, i), kStart - 10s));
  SECTION("seven are too few") { CHECK(!outage.offline()); }
  SECTION("the same one again is not the eighth") {
    CHECK(!outage.failed(kStart + 8s, contact(0, 0), kStart - 10s));
    CHECK(!outage.offline());
  }
  SECTION("the eighth") {
    CHECK(outage.failed(kStart + 8s, contact(3, 9), kStart - 10s));
    CHECK(outage.offline());
    CHECK(taken(outage, kStart + 1h).empty());
    CHECK(outage.next_deadline() == wire::kNever);
    // Nothing counts until somebody is heard.
    CHECK(!outage.failed(kStart + 9s, contact(9), kStart));
    CHECK(taken(outage, kStart + 1h).empty());
    CHECK(outage.heard(kStart + 10s));
    CHECK(!outage.offline());
    CHECK(!outage.failed(kStart + 12s, contact(9), kStart + 9s));
    CHECK(taken(outage, kStart + 12s) == std::vector{contact(9)});
  }
}

TEST_CASE("T5 eight contacts in three prefixes are no outage, nor are eight that fail over more than a minute") {
  Outage outage;
  for (std::uint8_t i = 0; i < 12; ++i) CHECK(!outage.failed(kStart, contact(i % 3, i), kStart - 10s));
  CHECK(!outage.offline());
  Outage slow;
  for (std::uint8_t i = 0; i < 20; ++i) {
    const wire::Instant now = kStart + 9s * i;
    CHECK(!slow.failed(now, contact(i), now - 10s));
    (void)taken(slow, now);
  }
  CHECK(!slow.offline());
}

TEST_CASE("T5 what is held back is bounded") {
  Outage outage;
  std::size_t counted = 0;
  for (int i = 0; i < 1'000; ++i) {
    CHECK(!outage.failed(kStart, contact(1, static_cast<std::uint8_t>(i)), kStart - 10s));
    counted += taken(outage, kStart).size();
  }
  CHECK(counted == 1'000 - 64);
}

TEST_CASE("T5 the failures that an outage excuses are counted") {
  Outage outage;
  for (std::uint8_t i = 0; i < 7; ++i) outage.failed(kStart + 1s * i, contact(i % 4, i), kStart - 10s);
  CHECK(outage.excused() == 0);
  CHECK(outage.failed(kStart + 7s, contact(3, 7), kStart - 10s));
  CHECK(outage.excused() == 8);
  outage.failed(kStart + 8s, contact(9), kStart);
  CHECK(outage.excused() == 9);
  outage.heard(kStart + 9s);
  outage.failed(kStart + 10s, contact(9), kStart);
  CHECK(outage.excused() == 9);
}
