// SPDX-License-Identifier: Apache-2.0
#include "dht/rpc_table.hpp"

#include <set>
#include <vector>

#include <catch2/catch.hpp>

using namespace lodestone;
using namespace std::chrono_literals;
using dht::Lateness;
using dht::RpcTable;

namespace {

struct Bench {
  RpcTable table{100};
  wire::Rng rng = wire::Rng::from_number(1);
  wire::Instant now{1h};

  std::uint32_t ask(const wire::Endpoint& to, wire::Duration slow = 1s, wire::Duration overdue = 3s) {
    dht::Pending q;
    q.to = to;
    q.sent = now;
    return table.add(q, {now + slow, now + overdue, now + 10s}, rng);
  }
  std::optional<dht::Pending> reply(std::uint32_t transaction, const wire::Endpoint& from) {
    std::uint8_t raw[4];
    wire::store_be32(raw, transaction);
    return table.match(raw, from);
  }
};

const wire::Endpoint kA{wire::Address::v4(1, 2, 3, 4), 6881};

}  // namespace

TEST_CASE("L5 a reply needs the transaction id, the address, the port and the family of an outstanding query") {
  Bench b;
  const auto t = b.ask(kA);
  CHECK_FALSE(b.reply(t + 1, kA));
  CHECK_FALSE(b.reply(t, {kA.address, 6882}));
  CHECK_FALSE(b.reply(t, {wire::Address::v4(1, 2, 3, 5), 6881}));
  CHECK_FALSE(b.reply(t, {wire::Address::v6({1, 2, 3, 4}), 6881}));
  const std::uint8_t longer[5] = {};
  CHECK_FALSE(b.table.match(longer, kA));
  CHECK_FALSE(b.table.match({}, kA));
  CHECK(b.reply(t, kA));
  CHECK_FALSE(b.reply(t, kA));  // once
  b.table.check_invariants();
}

TEST_CASE("L5 transaction ids do not follow each other") {
  Bench b;
  std::set<std::uint32_t> seen;
  std::uint32_t bits_or = 0;
  std::uint32_t bits_and = ~0u;
  for (int i = 0; i < 100; ++i) {
    const auto t = b.ask(kA);
    CHECK(seen.insert(t).second);
    CHECK_FALSE(seen.contains(t + 1));
    bits_or |= t;
    bits_and &= t;
  }
  CHECK(bits_or == ~0u);
  CHECK(bits_and == 0);
  CHECK(b.table.full());
}

TEST_CASE("L2 a query becomes slow, overdue and lost, and its reply counts until it is lost") {
  Bench b;
  const auto t1 = b.ask(kA);
  const auto t2 = b.ask(kA, 150ms);
  CHECK(b.table.next_deadline() == b.now + 150ms);
  CHECK_FALSE(b.table.next_late(b.now));
  std::vector<std::pair<wire::Duration, Lateness>> steps;
  const auto start = b.now;
  while (b.table.next_deadline() != wire::kNever) {
    b.now = b.table.next_deadline();
    while (const auto late = b.table.next_late(b.now)) steps.emplace_back(b.now - start, late->how);
    b.table.check_invariants();
    if (b.now - start == 3s) CHECK(b.reply(t2, kA));  // late, but used
  }
  CHECK(steps == std::vector<std::pair<wire::Duration, Lateness>>{{150ms, Lateness::slow},
                                                                  {1s, Lateness::slow},
                                                                  {3s, Lateness::overdue},
                                                                  {3s, Lateness::overdue},
                                                                  {10s, Lateness::lost}});
  CHECK_FALSE(b.reply(t1, kA));
  CHECK(b.table.size() == 0);
}

TEST_CASE("a deadline that has passed by more than one step is caught up step by step") {
  Bench b;
  b.ask(kA);
  b.now += 1min;
  CHECK(b.table.next_late(b.now)->how == Lateness::slow);
  CHECK(b.table.next_late(b.now)->how == Lateness::overdue);
  CHECK(b.table.next_late(b.now)->how == Lateness::lost);
  CHECK_FALSE(b.table.next_late(b.now));
}

TEST_CASE("slots are used again and old names do not reach new queries") {
  Bench b;
  for (int round = 0; round < 1'000; ++round) {
    const auto t = b.ask(kA);
    CHECK(b.table.waits_for(kA));
    CHECK(b.reply(t, kA));
    CHECK_FALSE(b.table.waits_for(kA));
    b.now += 10ms;
    if (round % 100 == 0) b.table.check_invariants();
  }
  CHECK(b.table.next_deadline() == wire::kNever);
}

TEST_CASE("what a burst of queries has needed is given back, and the next burst is like the first") {
  Bench b;
  for (int round = 0; round < 3; ++round) {
    std::vector<std::uint32_t> asked;
    for (int i = 0; i < 80; ++i) asked.push_back(b.ask(kA));
    CHECK(b.table.capacity() >= 80);
    for (std::size_t i = 1; i < asked.size(); ++i) CHECK(b.reply(asked[i], kA));
    CHECK(b.table.size() == 1);
    b.table.check_invariants();
    if (round % 2 == 0) {
      CHECK(b.reply(asked[0], kA));
    } else {
      b.now += 10s;
      while (b.table.next_late(b.now)) b.table.check_invariants();
    }
    CHECK(b.table.size() == 0);
    CHECK(b.table.capacity() == 0);
    CHECK(b.table.next_deadline() == wire::kNever);
    b.table.check_invariants();
    for (const auto t : asked) CHECK_FALSE(b.reply(t, kA));
  }
  // A few are not worth it.
  CHECK(b.reply(b.ask(kA), kA));
  CHECK(b.table.capacity() > 0);
}
