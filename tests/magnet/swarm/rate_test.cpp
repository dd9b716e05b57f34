// SPDX-License-Identifier: Apache-2.0
#include "magnet/swarm/rate.hpp"

#include <catch2/catch.hpp>

namespace lodestone::magnet {
namespace {

using namespace std::chrono_literals;
constexpr wire::Instant kStart{1h};

TEST_CASE("a steady flow is measured exactly from the second slice on") {
  Rate rate;
  CHECK(rate.per_second(kStart) == 0);
  for (int ms = 0; ms < 60'000; ms += 10) {
    rate.add(kStart + std::chrono::milliseconds(ms), 1'000);
    if (ms > 2'000) {
      INFO(ms);
      CHECK(rate.per_second(kStart + std::chrono::milliseconds(ms)) == Approx(100'000).epsilon(0.02));
    }
  }
  CHECK(rate.total() == 6'000'000);
}

TEST_CASE("a rate fades over its window and is zero after it") {
  Rate rate;
  rate.add(kStart, 1'600'000);
  CHECK(rate.per_second(kStart) == 1'600'000);
  CHECK(rate.per_second(kStart + 4s) == Approx(400'000));
  CHECK(rate.per_second(kStart + 15s) > 0);
  CHECK(rate.per_second(kStart + 16s) == 0);
  CHECK(rate.per_second(kStart + 24h) == 0);
  // A new run of activity is not diluted by the pause before it.
  rate.add(kStart + 24h, 500);
  CHECK(rate.per_second(kStart + 24h + 1s) == Approx(500));
}

TEST_CASE("a rate whose clock stands still or begins at zero is harmless") {
  Rate rate(125ms);
  rate.add(wire::Instant{}, 10);
  rate.add(wire::Instant{}, 10);
  CHECK(rate.per_second(wire::Instant{}) == Approx(160));
  rate.add(wire::Instant{} + 1s, 10);
  rate.add(wire::Instant{}, 10);  // a clock never goes back, but nothing breaks
  CHECK(rate.total() == 40);
}

}  // namespace
}  // namespace lodestone::magnet
