// SPDX-License-Identifier: Apache-2.0
#include "node/ops/rate_meter.hpp"

#include <catch2/catch.hpp>

namespace lodestone::node {
namespace {

constexpr wire::Instant kStart{std::chrono::hours(1)};

}  // namespace

TEST_CASE("a rate is there after the first stretch") {
  RateMeter meter;
  CHECK(meter.per_second() == 0);
  meter.update(kStart, 1'000);
  CHECK(meter.per_second() == 0);  // of what was before nobody knows since when
  meter.update(kStart + std::chrono::seconds(2), 1'500);
  CHECK(meter.per_second() == Approx(250));
}

TEST_CASE("what is a half-life old weighs half as much as what is now") {
  RateMeter meter;
  meter.update(kStart, 0);
  meter.update(kStart + std::chrono::seconds(1), 100);
  meter.update(kStart + std::chrono::seconds(1) + RateMeter::kHalfLife, 100);
  CHECK(meter.per_second() == Approx(50));
}

TEST_CASE("a rate follows a counter that goes steadily, and survives one that begins anew") {
  RateMeter meter;
  std::uint64_t count = 0;
  wire::Instant now = kStart;
  for (int i = 0; i < 100; ++i) {
    meter.update(now, count);
    now += std::chrono::milliseconds(700);
    count += 70;
  }
  CHECK(meter.per_second() == Approx(100));
  meter.update(now, 3);
  CHECK(meter.per_second() < 100);
  CHECK(meter.per_second() >= 0);
  const double before = meter.per_second();
  meter.update(now, 1'000'000);  // the same moment says nothing
  CHECK(meter.per_second() == before);
}

}  // namespace lodestone::node
