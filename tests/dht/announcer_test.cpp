// SPDX-License-Identifier: Apache-2.0
#include "dht/announcer.hpp"

#include <catch2/catch.hpp>

using namespace lodestone;
using namespace std::chrono_literals;

namespace {

constexpr wire::Instant kStart{1h};

struct Bench {
  dht::Announcer announcer{dht::Limits::client()};
  wire::Rng rng = wire::Rng::from_number(1);
  wire::InfoHash hash = rng.id<wire::InfoHash>();
};

}  // namespace

TEST_CASE("L3 a round waits for the first contact and is repeated every 15 to 25 min") {
  Bench b;
  CHECK(b.announcer.keep(kStart, 5, b.hash, {7000, false}) == 5);
  CHECK_FALSE(b.announcer.take_due(kStart, 0));
  CHECK(b.announcer.next_deadline(0) == wire::kNever);
  CHECK(b.announcer.next_deadline(1) == kStart);
  wire::Instant now = kStart;
  for (int i = 0; i < 20; ++i) {
    const auto round = b.announcer.take_due(now, 100);
    REQUIRE(round);
    CHECK(round->id == 5);
    CHECK(round->info_hash == b.hash);
    CHECK_FALSE(b.announcer.take_due(now, 100));
    CHECK(b.announcer.next_deadline(100) == wire::kNever);
    b.announcer.finished(now, 5, 8, 100, b.rng);
    const auto pause = b.announcer.next_deadline(100) - now;
    CHECK(pause >= 15min);
    CHECK(pause <= 25min);
    now += pause;
  }
}

TEST_CASE("L3 while the table doubles a round is repeated early, a bounded number of times") {
  Bench b;
  b.announcer.keep(kStart, 5, b.hash, {7000, false});
  wire::Instant now = kStart;
  int rounds = 0;
  for (std::size_t table = 1; table < 2'000; ++table) {
    b.announcer.table_grew(now, table);
    if (b.announcer.take_due(now, table)) {
      ++rounds;
      b.announcer.finished(now, 5, 8, table, b.rng);
      CHECK(b.announcer.next_deadline(table) > now + 4s);
    }
    now += 100ms;
  }
  CHECK(rounds >= 2);
  CHECK(rounds <= 7);
}

TEST_CASE("L3 in a tiny network each newcomer is told at once") {
  Bench b;
  b.announcer.keep(kStart, 5, b.hash, {7000, false});
  wire::Instant now = kStart;
  b.announcer.table_grew(now, 3);
  REQUIRE(b.announcer.take_due(now, 3));
  b.announcer.table_grew(now, 4);  // the round finds one more, and tells it
  b.announcer.finished(now, 5, 4, 4, b.rng);
  CHECK(b.announcer.next_deadline(4) >= now + 15min);
  now += 1min;
  b.announcer.table_grew(now, 5);
  REQUIRE(b.announcer.take_due(now, 5));
  b.announcer.table_grew(now, 6);  // too late for this round
  b.announcer.finished(now, 5, 5, 6, b.rng);
  CHECK(b.announcer.next_deadline(6) == now + 1s);
  now += 1s;
  REQUIRE(b.announcer.take_due(now, 6));
  b.announcer.finished(now, 5, 5, 6, b.rng);  // one of them does not answer: it is tried once
  CHECK(b.announcer.next_deadline(6) >= now + 15min);
  now += 1min;
  b.announcer.table_grew(now, 9);  // it is a network now
  b.announcer.table_grew(now, 10);
  REQUIRE(b.announcer.take_due(now, 10));
  b.announcer.finished(now, 5, 8, 10, b.rng);
  b.announcer.table_grew(now, 11);
  CHECK(b.announcer.next_deadline(11) >= now + 15min);
}

TEST_CASE("L3 a round that nobody stored is repeated with back-off") {
  Bench b;
  b.announcer.keep(kStart, 5, b.hash, {7000, false});
  wire::Instant now = kStart;
  std::vector<wire::Duration> pauses;
  for (int i = 0; i < 12; ++i) {
    REQUIRE(b.announcer.take_due(now, 100));
    b.announcer.finished(now, 5, 0, 100, b.rng);
    pauses.push_back(b.announcer.next_deadline(100) - now);
    now = b.announcer.next_deadline(100);
  }
  CHECK(pauses[0] == 10s);
  CHECK(pauses[1] == 20s);
  CHECK(pauses[2] == 40s);
  CHECK(pauses.back() >= 15min);
}

TEST_CASE("a hash is kept once, with the latest port, until it is withdrawn") {
  Bench b;
  CHECK(b.announcer.keep(kStart, 5, b.hash, {7000, false}) == 5);
  REQUIRE(b.announcer.take_due(kStart, 1));
  CHECK(b.announcer.keep(kStart, 6, b.hash, {8000, false}) == 5);
  b.announcer.finished(kStart, 5, 8, 1, b.rng);
  const auto round = b.announcer.take_due(kStart, 1);  // at once, for the port is new
  REQUIRE(round);
  CHECK(round->spec.port == 8000);
  CHECK(b.announcer.spec_of(b.hash)->port == 8000);
  CHECK(b.announcer.withdraw(b.hash) == 5);
  CHECK_FALSE(b.announcer.withdraw(b.hash));
  CHECK_FALSE(b.announcer.spec_of(b.hash));
  b.announcer.finished(kStart, 5, 8, 1, b.rng);  // nobody minds
  CHECK(b.announcer.next_deadline(1) == wire::kNever);
}

TEST_CASE("L3 a first round that is put off stays so while the table grows, and what changes is announced at once") {
  Bench b;
  b.announcer.keep(kStart + 20s, 5, b.hash, {7000, false});
  for (std::size_t table = 1; table < 100; ++table) b.announcer.table_grew(kStart, table);
  CHECK(b.announcer.next_deadline(99) == kStart + 20s);
  CHECK_FALSE(b.announcer.take_due(kStart + 19s, 99));
  const auto round = b.announcer.take_due(kStart + 20s, 99);
  REQUIRE(round);
  CHECK_FALSE(round->spec.seed);
  b.announcer.finished(kStart + 21s, 5, 8, 99, b.rng);

  CHECK(b.announcer.keep(kStart + 60s, 6, b.hash, {7000, false, true}) == 5);
  CHECK(b.announcer.spec_of(b.hash)->seed);
  const auto next = b.announcer.take_due(kStart + 60s, 99);
  REQUIRE(next);
  CHECK(next->id == 5);
  CHECK(next->spec.seed);
}
