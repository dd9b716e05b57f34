// SPDX-License-Identifier: Apache-2.0
#include "dht/throttle.hpp"

#include <catch2/catch.hpp>

using namespace lodestone;
using namespace std::chrono_literals;
using dht::Throttle;
using Verdict = Throttle::Verdict;

namespace {

constexpr wire::Instant kStart{1h};

Throttle::Rates rates() {
  Throttle::Rates r;
  r.verified_for = 10min;
  r.unverified_burst = 8 << 10;
  r.unverified_factor = 4;
  return r;
}

struct Throttled {
  explicit Throttled(const Throttle::Rates& r = rates()) : throttle(kStart, r, rng) {}
  Verdict charge(wire::Instant now, const char* source) {
    return throttle.charge(now, throttle.visit(now, *wire::Address::parse(source)));
  }
  /// How many of n at that instant are admitted.
  int admitted(wire::Instant now, const char* source, int n) {
    int yes = 0;
    for (int i = 0; i < n; ++i) yes += charge(now, source) == Verdict::admitted;
    return yes;
  }
  wire::Rng rng = wire::Rng::from_number(1);
  Throttle throttle;
};

}  // namespace

TEST_CASE("S4 an address has a burst of 100 and 20 a second") {
  Throttled t;
  CHECK(t.admitted(kStart, "8.8.8.8", 1'000) == 100);
  CHECK(t.charge(kStart, "8.8.8.8") == Verdict::address_spent);
  CHECK(t.charge(kStart, "8.8.8.9") == Verdict::admitted);  // its neighbour does not suffer
  CHECK(t.admitted(kStart + 49ms, "8.8.8.8", 10) == 0);
  CHECK(t.admitted(kStart + 50ms, "8.8.8.8", 10) == 1);
  CHECK(t.admitted(kStart + 1050ms, "8.8.8.8", 1'000) == 20);
  CHECK(t.admitted(kStart + 1h, "8.8.8.8", 1'000) == 100);
}

TEST_CASE("S4 whoever goes on trying is admitted at the rate all the same") {
  Throttled t;
  int yes = 0;
  for (int ms = 0; ms < 100'000; ++ms) yes += t.admitted(kStart + std::chrono::milliseconds(ms), "8.8.8.8", 2);
  CHECK(yes >= 100 + 20 * 99);
  CHECK(yes <= 100 + 20 * 100);
}

TEST_CASE("S4 a /24 has a burst of 2,000 and 400 a second") {
  Throttled t;
  const auto from_all = [&](wire::Instant now) {
    int yes = 0;
    for (std::uint8_t host = 0; host < 250; ++host) {
      const auto source = wire::Address::v4(8, 8, 8, host).text();
      yes += t.admitted(now, source.c_str(), 50);
    }
    return yes;
  };
  CHECK(from_all(kStart) == 2'000);
  CHECK(t.charge(kStart, "8.8.8.249") == Verdict::prefix_spent);
  CHECK(t.charge(kStart, "8.8.9.1") == Verdict::admitted);
  CHECK(from_all(kStart + 1s) == 400);
}

TEST_CASE("S4 in v6 a /64 is an address and a /48 a prefix") {
  Throttled t;
  CHECK(t.admitted(kStart, "2600:1:2:3::1", 60) + t.admitted(kStart, "2600:1:2:3:ffff::9", 60) == 100);
  CHECK(t.admitted(kStart, "2600:1:2:4::1", 120) == 100);
  int yes = 200;
  for (int i = 0; i < 100; ++i) {
    const auto source = "2600:1:2:1" + std::to_string(100 + i) + "::1";
    yes += t.admitted(kStart, source.c_str(), 120);
  }
  CHECK(yes == 2'000);
  CHECK(t.charge(kStart, "2600:1:3::1") == Verdict::admitted);
}

TEST_CASE("S4 the tables are bounded and a flood of sources costs others at most their history") {
  auto r = rates();
  r.sources = 1'000;
  Throttled t{r};
  CHECK(t.admitted(kStart, "8.8.8.8", 1'000) == 100);
  for (std::uint32_t i = 0; i < 5'000; ++i) {
    CHECK(t.throttle.charge(kStart, t.throttle.visit(kStart, wire::Address::v4(0x20000000u + i * 256))) ==
          Verdict::admitted);
    if (i == 500) CHECK(t.charge(kStart, "8.8.8.8") == Verdict::address_spent);  // still remembered, and used again
  }
  CHECK(t.throttle.addresses() == 1'000);
  CHECK(t.throttle.prefixes() == 1'000);
  CHECK(t.throttle.displaced() == 2 * (5'000 + 1 - 1'000));
  CHECK(t.charge(kStart, "8.8.8.8") == Verdict::admitted);
  t.throttle.check_invariants();
}

TEST_CASE("S4 who has his burst back and nothing on the books takes no memory") {
  Throttled t;
  for (std::uint32_t i = 0; i < 10'000; ++i) {
    const wire::Instant now = kStart + i * 10ms;
    const auto visit = t.throttle.visit(now, wire::Address::v4(0x20000000u + i * 256));
    CHECK(t.throttle.charge(now, visit) == Verdict::admitted);
  }
  CHECK(t.throttle.addresses() <= 6);  // one token is back in 50 ms
  CHECK(t.throttle.prefixes() <= 2);
  CHECK(t.throttle.standings() == 0);
  CHECK(t.throttle.displaced() == 0);
  // A burst that is spent, bytes that are owed and a verification are remembered.
  const wire::Instant now = kStart + 1h;
  CHECK(t.admitted(now, "8.8.8.8", 1'000) == 100);
  t.throttle.replied(now, t.throttle.visit(now, wire::Address::v4(9, 9, 9, 9)), 8 << 10);
  t.throttle.verify(now, t.throttle.visit(now, wire::Address::v4(10, 9, 9, 9)));
  for (std::uint32_t i = 0; i < 1'000; ++i) t.charge(now + 1s, wire::Address::v4(0x20000000u + i * 256).text().c_str());
  CHECK(t.admitted(now + 1s, "8.8.8.8", 1'000) == 20);
  CHECK(t.throttle.allowance(now + 1s, t.throttle.visit(now + 1s, wire::Address::v4(9, 9, 9, 9)), 0, 1'024) == 0);
  CHECK(t.throttle.verified(now + 1s, t.throttle.visit(now + 1s, wire::Address::v4(10, 9, 9, 9))));
  t.throttle.check_invariants();
}

TEST_CASE("S5 a private net lifts the rates and keeps the books") {
  auto r = rates();
  r.enforced = false;
  Throttled t{r};
  CHECK(t.admitted(kStart, "127.0.0.1", 5'000) == 5'000);
  CHECK(t.throttle.addresses() == 1);
  const auto visit = t.throttle.visit(kStart, wire::Address::v4(127, 0, 0, 1));
  t.throttle.replied(kStart, visit, 8 << 10);
  CHECK(t.throttle.allowance(kStart, visit, 100, 1'024) == 400);
}

TEST_CASE("S3 an unverified prefix is sent 8 KiB and four bytes for each of its own") {
  Throttled t;
  std::size_t sent = 0;
  std::size_t received = 0;
  std::size_t silent = 0;
  for (std::uint32_t i = 0; i < 1'000; ++i) {
    const auto visit = t.throttle.visit(kStart + i * 1ms, wire::Address::v4(0x08080800u + i % 256));  // one /24
    const std::size_t query = 60 + i % 40;
    received += query;
    const std::size_t room = t.throttle.allowance(kStart + i * 1ms, visit, query, 1'024);
    if (room < 120) ++silent;
    const std::size_t reply = room < 120 ? 0 : room;
    t.throttle.replied(kStart + i * 1ms, visit, reply);
    sent += reply;
    REQUIRE(sent <= 4 * received + (8 << 10));
  }
  CHECK(sent >= 4 * received);  // and it gets what it is due
  CHECK(silent == 0);
}

TEST_CASE("S3 silence does not fill the budget again") {
  Throttled t;
  const auto visit = t.throttle.visit(kStart, wire::Address::v4(8, 8, 8, 8));
  t.throttle.replied(kStart, visit, 8 << 10);
  CHECK(t.throttle.allowance(kStart + 24h, visit, 0, 1'024) == 0);
  CHECK(t.throttle.allowance(kStart + 24h, visit, 30, 1'024) == 120);
  // What it has not used yet is not booked twice: the burst is the most it can have saved.
  for (int i = 0; i < 1'000; ++i) (void)t.throttle.allowance(kStart + 24h, visit, 1'000, 1'024);
  CHECK(t.throttle.allowance(kStart + 24h, visit, 0, 100'000) == 8 << 10);
}

TEST_CASE("S3 a prefix is verified for ten minutes") {
  Throttled t;
  const auto visit = t.throttle.visit(kStart, wire::Address::v4(8, 8, 8, 8));
  t.throttle.replied(kStart, visit, 8 << 10);
  CHECK_FALSE(t.throttle.verified(kStart, visit));
  t.throttle.verify(kStart, visit);
  const auto neighbour = t.throttle.visit(kStart, wire::Address::v4(8, 8, 8, 9));
  CHECK(t.throttle.verified(kStart + 599s, neighbour));
  for (int i = 0; i < 1'000; ++i) {
    CHECK(t.throttle.allowance(kStart + 1s, neighbour, 10, 1'024) == 1'024);
    t.throttle.replied(kStart + 1s, neighbour, 1'024);
  }
  CHECK_FALSE(t.throttle.verified(kStart + 600s, neighbour));
  CHECK(t.throttle.allowance(kStart + 600s, neighbour, 10, 1'024) == 40);
  CHECK_FALSE(t.throttle.verified(kStart, t.throttle.visit(kStart, wire::Address::v4(8, 8, 9, 8))));
}
