// SPDX-License-Identifier: Apache-2.0
// `sim`: what it prints, that it prints the same again, and which options it takes.
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "tests/tools/cli_bench.hpp"
#include "tools/cli/sim_records.hpp"

using namespace lodestone::tools;
using nlohmann::json;

namespace {

Ran sim_command(std::vector<std::string> more, const std::string& subject = "lookup") {
  std::vector<std::string> args = {"sim", subject};
  args.insert(args.end(), more.begin(), more.end());
  return run_cli(args);
}

std::vector<std::string> quick(std::vector<std::string> more) {
  std::vector<std::string> args = {"--nodes", "150", "--lookups", "12", "--warm-up", "20s"};
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

}  // namespace

TEST_CASE("sim prints one record, the same for the same seed, and what the machine took on stderr") {
  const Ran first = sim_command(quick({"--json", "--seed", "5"}));
  CHECK(first.code == 0);
  const json record = json::parse(first.out);
  CHECK(record["type"] == "sim");
  CHECK(record["nodes"] == 150);
  CHECK(record["lookups"].get<int>() + record["impossible"].get<int>() == 12);
  CHECK(record["p50"].get<double>() > 0);
  CHECK(record["p50"] <= record["p90"]);
  CHECK(record["p90"] <= record["p99"]);
  CHECK(record["queries"].get<double>() >= 8);
  CHECK(record["failed"].is_number_unsigned());
  CHECK(record["events"].get<int>() > 1'000);
  const json perf = json::parse(last_line(first.err));
  CHECK(perf["type"] == "perf");
  CHECK(perf["events_per_second"].get<double>() > 0);
  CHECK(perf.contains("bytes_per_node"));

  CHECK(sim_command(quick({"--json", "--seed", "5"})).out == first.out);
  CHECK(sim_command(quick({"--json", "--seed", "6"})).out != first.out);
}

TEST_CASE("sim does what its options say") {
  const auto record = [](std::vector<std::string> more, const std::string& subject = "lookup") {
    const Ran ran = sim_command(quick(std::move(more)), subject);
    INFO(ran.err);
    REQUIRE(ran.code == 0);
    return json::parse(ran.out);
  };
  const json usual = record({"--json"});
  // Round trips ten times as long.
  const json slow = record({"--json", "--rtt", "1600"});
  CHECK(slow["p50"].get<double>() > 3 * usual["p50"].get<double>());
  // Nobody dead, but those who have just left and the cones that nobody has opened yet.
  CHECK(record({"--json", "--dead", "0"})["dead_begin"].get<double>() < 0.15);
  CHECK(record({"--json", "--dead", "0.6"})["dead_begin"].get<double>() > 0.5);
  const json rival = record({"--json", "--policy", "bep5"});
  CHECK(rival["policy"] == "bep5");
  CHECK(rival["p90"] != usual["p90"]);
  const json announced = record({"--json"}, "announce");
  CHECK(announced["told"].get<double>() > 5);
  CHECK(announced["inside12"].get<double>() > 0.8);
  CHECK(record({"--json"}, "bootstrap")["lookups"] == 12);
  CHECK(record({"--json"}, "churn")["departures"].get<int>() >= 1);
}

TEST_CASE("sim swarm says how long the downloads took") {
  const std::vector<std::string> args = {"--nodes", "20", "--lookups", "3", "--json"};
  const Ran ran = sim_command(args, "swarm");
  REQUIRE(ran.code == 0);
  const json record = json::parse(ran.out);
  CHECK(record["lookups"] == 3);
  CHECK(record["failed"] == 0);
  CHECK(record["p99"].get<double>() > 2);  // 16 MiB at 8 MB/s
  CHECK(sim_command(args, "swarm").out == ran.out);
}

TEST_CASE("sim for people") {
  const Ran ran = sim_command(quick({}));
  CHECK(ran.code == 0);
  CHECK(ran.out.find("lookup: 150 nodes, policy lodestone, seed 1\n") == 0);
  CHECK(ran.out.find("time to the first peer: p50 ") != std::string::npos);
  CHECK(ran.out.find("% dead at the beginning") != std::string::npos);
  CHECK(ran.err.find(" events/s, ") != std::string::npos);
}

TEST_CASE("sim takes no option that makes no sense") {
  CHECK(sim_command({"--nodes", "99"}).code == 2);
  CHECK(sim_command({"--nodes", "many"}).code == 2);
  CHECK(sim_command({"--policy", "transmission"}).code == 2);
  CHECK(sim_command({"--dead", "1"}).code == 2);
  CHECK(sim_command({"--loss", "-0.1"}).code == 2);
  CHECK(sim_command({"--lookups", "0"}).code == 2);
  CHECK(sim_command({"--rtt", "0"}).code == 2);
  CHECK(sim_command({"--dead", "0.4"}, "swarm").code == 2);
  CHECK(sim_command({"--policy", "bep5"}, "swarm").code == 2);
  CHECK(run_cli({"sim", "everything"}).code == 2);
}

TEST_CASE("sim ends at --timeout") {
  const Ran ran = sim_command({"--nodes", "300", "--lookups", "100000", "--timeout", "0.5", "--json"});
  CHECK(ran.code == 4);
  CHECK(ran.out.empty());
  CHECK(json::parse(last_line(ran.err))["error"] == "timeout");
}

TEST_CASE("sim's record says nothing where nothing was measured") {
  const json nothing = sim_record({SimSubject::bootstrap, "mldht", 100, 7}, {});
  CHECK(nothing["p50"].is_null());
  CHECK(nothing["seed"] == 7);
  CHECK_FALSE(nothing.contains("told"));
}
