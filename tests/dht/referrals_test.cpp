// SPDX-License-Identifier: Apache-2.0
#include "dht/referrals.hpp"

#include <catch2/catch.hpp>

using namespace lodestone;
using namespace std::chrono_literals;
using dht::Referrals;

namespace {

constexpr wire::Instant kStart{1h};

/// Takes as many as are wanted now.
std::size_t take(Referrals& referrals, wire::Instant now, std::size_t table = 0) {
  std::size_t n = 0;
  for (; referrals.wanted(now, table) && n < 1'000; ++n) referrals.taken(now);
  return n;
}

}  // namespace

TEST_CASE("T2 contacts of our other nodes are taken in rounds that come more rarely while nobody answers") {
  Referrals referrals{64};
  wire::Instant now = kStart;
  wire::Duration pause = Referrals::kFirstPause;
  for (int i = 0; i < 12; ++i) {
    CHECK(take(referrals, now) == Referrals::kRound);
    CHECK_FALSE(referrals.wanted(now + pause - 1ms, 0));
    now += pause;
    CHECK(referrals.wanted(now, 0));
    pause = std::min(2 * pause, Referrals::kLongestPause);
  }
  // For ever, but 32 queries in four minutes are next to nothing.
  CHECK(pause == Referrals::kLongestPause);
}

TEST_CASE("T2 whoever answers makes the rounds quick again, and a table that is large enough ends them") {
  Referrals referrals{64};
  wire::Instant now = kStart;
  for (int i = 0; i < 5; ++i) {
    take(referrals, now);
    now += 16s;
  }
  take(referrals, now);
  CHECK_FALSE(referrals.wanted(now + 5s, 0));
  referrals.table_grew(now);
  CHECK_FALSE(referrals.wanted(now, 1));
  CHECK(referrals.wanted(now + Referrals::kFirstPause, 1));
  CHECK(referrals.wanted(now + 1s, 63));
  CHECK_FALSE(referrals.wanted(now + 1s, 64));
  CHECK(take(referrals, now + 1s, 64) == 0);
}
