// SPDX-License-Identifier: Apache-2.0
// link_model and churn: do the draws have the distributions that their headers promise?
#include <algorithm>
#include <cmath>
#include <vector>

#include <catch2/catch.hpp>

#include "tools/sim/churn.hpp"
#include "tools/sim/link_model.hpp"

using namespace lodestone::tools::sim;
using namespace std::chrono_literals;
using lodestone::wire::Rng;
using lodestone::wire::to_seconds;

TEST_CASE("sim: round trips have a median of about 160 ms and a long tail") {
  const LinkModel model({});
  Rng rng = Rng::from_number(1);
  std::vector<double> ms;
  for (int i = 0; i < 20'000; ++i) {
    const Place a = model.draw_place(rng), b = model.draw_place(rng);
    ms.push_back(2'000 * to_seconds(LinkModel::one_way(a, b)));
    CHECK(LinkModel::one_way(a, b) == LinkModel::one_way(b, a));
  }
  std::sort(ms.begin(), ms.end());
  INFO("p5 " << ms[1'000] << " p50 " << ms[10'000] << " p95 " << ms[19'000]);
  CHECK(ms[10'000] > 140);
  CHECK(ms[10'000] < 180);
  CHECK(ms[1'000] < 80);
  CHECK(ms[19'000] > 300);
  CHECK(ms.front() > 0);
}

TEST_CASE("sim: sessions are Weibull, and a stationary crowd has longer ones") {
  Rng rng = Rng::from_number(1);
  const Churn churn(0.7, 40min);
  double sum = 0, residual = 0;
  std::vector<double> lengths;
  constexpr int kDraws = 50'000;
  for (int i = 0; i < kDraws; ++i) {
    lengths.push_back(to_seconds(churn.draw_session(rng)));
    sum += lengths.back();
    residual += to_seconds(churn.draw_residual(rng));
  }
  std::sort(lengths.begin(), lengths.end());
  const double mean = to_seconds(churn.mean());
  CHECK(std::abs(mean - 2'400 * std::tgamma(1 + 1 / 0.7)) < 1);
  CHECK(sum / kDraws == Approx(mean).epsilon(0.03));
  // The median of a Weibull is scale * ln(2)^(1/shape).
  CHECK(lengths[kDraws / 2] == Approx(2'400 * std::pow(std::log(2.0), 1 / 0.7)).epsilon(0.03));
  // Renewal theory: the mean residual is E[L^2] / 2 E[L].
  const double second_moment = 2'400.0 * 2'400.0 * std::tgamma(1 + 2 / 0.7);
  CHECK(residual / kDraws == Approx(second_moment / (2 * mean)).epsilon(0.05));
}
