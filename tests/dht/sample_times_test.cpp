// SPDX-License-Identifier: Apache-2.0
#include "dht/sample_times.hpp"

#include <limits>

#include <catch2/catch.hpp>

using namespace lodestone;
using namespace std::chrono_literals;
using dht::SampleTimes;

namespace {

constexpr wire::Instant kStart{1h};

wire::Endpoint node(std::uint32_t n) { return {wire::Address::v4(0x05000000u + n), 6881}; }

}  // namespace

TEST_CASE("S6 a node is asked again when its interval is over, within six hours") {
  SampleTimes times;
  CHECK(times.may_ask(kStart, node(1)));
  times.answered(kStart, node(1), 600);
  CHECK_FALSE(times.may_ask(kStart + 599s, node(1)));
  CHECK(times.may_ask(kStart + 600s, node(1)));
  CHECK(times.may_ask(kStart, node(2)));
  times.answered(kStart, node(1), std::numeric_limits<std::int64_t>::max());
  CHECK_FALSE(times.may_ask(kStart + 6h - 1s, node(1)));
  CHECK(times.may_ask(kStart + 6h, node(1)));
  times.answered(kStart, node(1), -5);
  CHECK(times.may_ask(kStart, node(1)));
  CHECK(times.size() == 0);
}

TEST_CASE("S6 the memory of intervals is bounded and forgets whoever may be asked soonest") {
  SampleTimes times;
  for (std::uint32_t i = 0; i < 9'000; ++i) times.answered(kStart, node(i), i == 17 ? 60 : 3'600);
  CHECK(times.size() == 8'192);
  CHECK(times.may_ask(kStart, node(17)));
  CHECK_FALSE(times.may_ask(kStart, node(8'999)));
  times.answered(kStart + 2h, node(9'000), 60);
  CHECK(times.size() == 1);
}
