// SPDX-License-Identifier: Apache-2.0
#include "dht/maintenance.hpp"

#include <set>

#include <catch2/catch.hpp>

using namespace lodestone;
using namespace std::chrono_literals;

TEST_CASE("T6 in 15 minutes every silent contact is asked once and every stale bucket looked into once") {
  auto rng = wire::Rng::from_number(1);
  wire::Instant now{1h};
  const auto own = rng.id<wire::NodeId>();
  dht::RoutingTable table{now, wire::Family::v4, own, 8, true};
  dht::RpcTable outstanding{100};
  dht::Maintenance maintenance{15min};
  CHECK(maintenance.next_deadline() == wire::kNever);
  for (std::uint32_t i = 0; i < 60; ++i) {
    table.answered(now, {rng.id<wire::NodeId>(), {wire::Address::v4(0x0b000001u + (i << 8)), 6881}}, 50ms);
  }
  table.note_lookup(now, wire::Key{own.bytes()});
  maintenance.wake(now);
  int lookups = 0;
  std::set<wire::Endpoint> asked;
  const auto start = now;
  while (maintenance.next_deadline() < start + 29min) {
    CHECK(maintenance.next_deadline() >= now);
    now = maintenance.next_deadline();
    const auto work = maintenance.take_due(now, table, outstanding, false, rng);
    CHECK(maintenance.next_deadline() >= now + 1s);  // gently
    if (work.ask) {
      CHECK(now >= start + 14min);
      CHECK(asked.insert(work.ask->endpoint).second);
      table.answered(now, *work.ask, 50ms);
    }
    if (work.look_up) {
      ++lookups;
      table.note_lookup(now, *work.look_up);
    }
  }
  CHECK(asked.size() == 60);
  CHECK(lookups == 1);
}

TEST_CASE("T6 who has been asked and has not answered yet is not asked again meanwhile") {
  auto rng = wire::Rng::from_number(2);
  wire::Instant now{1h};
  dht::RoutingTable table{now, wire::Family::v4, rng.id<wire::NodeId>(), 8, true};
  dht::RpcTable outstanding{100};
  dht::Maintenance maintenance{15min};
  const dht::Contact c{rng.id<wire::NodeId>(), {wire::Address::v4(11, 0, 0, 1), 6881}};
  table.answered(now, c, 50ms);
  now += 16min;
  maintenance.wake(now);
  dht::Pending q;
  q.to = c.endpoint;
  outstanding.add(q, {now + 1s, now + 1s, now + 10s}, rng);
  CHECK_FALSE(maintenance.take_due(now, table, outstanding, true, rng).ask);
  while (outstanding.next_late(now + 10s)) {
  }
  now = maintenance.next_deadline();
  const auto work = maintenance.take_due(now, table, outstanding, true, rng);
  REQUIRE(work.ask);
  CHECK(*work.ask == c);
  CHECK_FALSE(work.look_up);  // one lookup at a time
}

TEST_CASE("an empty table needs no upkeep") {
  auto rng = wire::Rng::from_number(3);
  const wire::Instant now{1h};
  dht::RoutingTable table{now, wire::Family::v4, rng.id<wire::NodeId>(), 8, true};
  dht::RpcTable outstanding{100};
  dht::Maintenance maintenance{15min};
  maintenance.wake(now);
  const auto work = maintenance.take_due(now, table, outstanding, false, rng);
  CHECK_FALSE(work.ask);
  CHECK_FALSE(work.look_up);
  CHECK(maintenance.next_deadline() == wire::kNever);
}
