// SPDX-License-Identifier: Apache-2.0
#include "tools/cli/seed_goal.hpp"

#include <catch2/catch.hpp>

namespace lodestone::tools {
namespace {

using namespace std::chrono_literals;

TEST_CASE("seed goals are read in any order") {
  CHECK(parse_seed_goal("")->endless());
  CHECK(*parse_seed_goal("ratio:1.5") == SeedGoal{.ratio = 1.5, .time = std::nullopt});
  CHECK(*parse_seed_goal("time:2h") == SeedGoal{.ratio = std::nullopt, .time = 2h});
  CHECK(*parse_seed_goal("ratio:2,time:30s") == *parse_seed_goal("time:30s,ratio:2"));
}

TEST_CASE("other seed goals are refused with the part that is wrong") {
  for (const char* text : {"ratio:", "ratio:x", "ratio:-1", "ratio:inf", "ratio:nan", "ratio:1e3", "time:", "time:soon",
                           "1.5", "ratio:1,", ",", "ratio:1,ratio:2", "time:1s,time:2s", "ratio:1;time:2s"}) {
    INFO(text);
    CHECK_FALSE(parse_seed_goal(text));
  }
  CHECK(parse_seed_goal("ratio:1,speed:2").error() == "'speed:2' is not ratio:R or time:DUR");
}

TEST_CASE("whichever goal is reached first ends the seeding") {
  const SeedGoal both{.ratio = 2, .time = 10s};
  CHECK_FALSE(both.reached(199, 100, 9s));
  CHECK(both.reached(200, 100, 0s));
  CHECK(both.reached(0, 100, 10s));
  CHECK_FALSE(SeedGoal{}.reached(1'000'000, 1, 1000h));
}

}  // namespace
}  // namespace lodestone::tools
