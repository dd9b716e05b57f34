// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/experiment.hpp"

#include <catch2/catch.hpp>

#include "tools/sim/vantage.hpp"

using namespace lodestone::tools::sim;
using namespace std::chrono_literals;

namespace {

ExperimentConfig small(Subject subject, const std::string& policy, std::uint64_t seed = 1) {
  ExperimentConfig config;
  config.subject = subject;
  config.policy = policy;
  config.nodes = 300;
  config.lookups = 40;
  config.seed = seed;
  config.warm_up = 60s;
  return config;
}

}  // namespace

TEST_CASE("sim: every policy finds what is stored, whatever share of contacts is dead") {
  for (const std::string_view policy : policy_names()) {
    CAPTURE(policy);
    const ExperimentResult result = run_experiment(small(Subject::lookup, std::string(policy)));
    CHECK(result.done + result.impossible == 40);
    CHECK(result.impossible <= 2);
    CHECK(result.failed <= 1);
    CHECK(result.times.size() == result.done - result.failed);
    CHECK(result.dead_begin > 0.35);
    CHECK(result.queries >= 8);
    CHECK(result.queries <= 80);
    REQUIRE(result.quantile(0.5));
    CHECK(*result.quantile(0.5) > 0.05);
    CHECK(*result.quantile(0.5) <= *result.quantile(0.99));
  }
}

TEST_CASE("sim: every policy announces to those who are truly closest") {
  for (const std::string_view policy : policy_names()) {
    CAPTURE(policy);
    const ExperimentResult result = run_experiment(small(Subject::announce, std::string(policy)));
    CHECK(result.failed == 0);
    CHECK(result.told > 6);
    CHECK(result.told <= 12);
    CHECK(result.inside8 <= result.inside12);
    // Plain Kademlia ends before it has heard of everybody near.
    CHECK(result.inside12 > (policy == "lodestone" ? 0.95 : 0.8));
  }
}

TEST_CASE("sim: newcomers get to know those around them under every policy") {
  for (const std::string_view policy : policy_names()) {
    CAPTURE(policy);
    const ExperimentResult result = run_experiment(small(Subject::bootstrap, std::string(policy)));
    CHECK(result.done == 40);
    CHECK(result.failed <= 8);
    CHECK(result.queries >= 8);
  }
}

TEST_CASE("sim: an experiment is the same for the same seed, and can be ended from outside") {
  const ExperimentResult first = run_experiment(small(Subject::churn, "lodestone"));
  const ExperimentResult again = run_experiment(small(Subject::churn, "lodestone"));
  CHECK(first.times == again.times);
  CHECK(first.events == again.events);
  CHECK(first.departures > 0);
  CHECK(run_experiment(small(Subject::churn, "lodestone", 2)).times != first.times);

  int built = 0;
  double progress = 0;
  ExperimentHooks hooks;
  hooks.built = [&] { ++built; };
  hooks.progress = [&](double done) { progress = done; };
  hooks.stop = [&] { return progress > 0.2; };
  const ExperimentResult ended = run_experiment(small(Subject::lookup, "lodestone"), hooks);
  CHECK(built == 1);
  CHECK(progress < 0.5);
  CHECK(ended.times.empty());
}
