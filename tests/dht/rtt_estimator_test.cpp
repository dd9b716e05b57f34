// SPDX-License-Identifier: Apache-2.0
#include "dht/rtt_estimator.hpp"

#include <catch2/catch.hpp>

using namespace lodestone;
using namespace std::chrono_literals;

TEST_CASE("L2 the quantiles of the round trips are known to a fifth") {
  dht::RttEstimator rtt;
  CHECK(rtt.quantile(0.9) == wire::Duration::zero());
  for (int i = 1; i <= 100; ++i) rtt.add(std::chrono::milliseconds(i * 10));
  CHECK(rtt.quantile(0.5) >= 500ms);
  CHECK(rtt.quantile(0.5) <= 600ms);
  CHECK(rtt.quantile(0.9) >= 900ms);
  CHECK(rtt.quantile(0.9) <= 1080ms);
  CHECK(rtt.quantile(1) >= 1s);
}

TEST_CASE("L2 the network of an hour ago is forgotten") {
  dht::RttEstimator rtt;
  for (int i = 0; i < 5'000; ++i) rtt.add(2s);
  for (int i = 0; i < 5'000; ++i) rtt.add(20ms);
  CHECK(rtt.quantile(0.95) < 30ms);
}

TEST_CASE("round trips outside the scale are at its ends") {
  dht::RttEstimator rtt;
  rtt.add(0ns);
  CHECK(rtt.quantile(0.5) <= 2ms);
  for (int i = 0; i < 10; ++i) rtt.add(24h);
  CHECK(rtt.quantile(0.9) > 10s);
}
