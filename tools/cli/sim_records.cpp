// SPDX-License-Identifier: Apache-2.0
#include "tools/cli/sim_records.hpp"

#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace lodestone::tools {
namespace {

nlohmann::ordered_json seconds(std::optional<double> value) {
  return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json(nullptr);
}

std::string_view timed(SimSubject subject) {
  switch (subject) {
    case SimSubject::lookup:
    case SimSubject::churn: return "time to the first peer";
    case SimSubject::announce: return "time until announced";
    case SimSubject::bootstrap: return "time until the closest are known";
    case SimSubject::swarm: return "time until complete";
  }
  return {};
}

std::string_view plural(SimSubject subject) {
  switch (subject) {
    case SimSubject::lookup:
    case SimSubject::churn: return "lookups";
    case SimSubject::announce: return "announcements";
    case SimSubject::bootstrap: return "cold starts";
    case SimSubject::swarm: return "downloads";
  }
  return {};
}

}  // namespace

std::string_view name(SimSubject subject) {
  switch (subject) {
    case SimSubject::lookup: return "lookup";
    case SimSubject::announce: return "announce";
    case SimSubject::bootstrap: return "bootstrap";
    case SimSubject::churn: return "churn";
    case SimSubject::swarm: return "swarm";
  }
  return {};
}

nlohmann::ordered_json sim_record(const SimAsked& asked, const sim::ExperimentResult& result) {
  nlohmann::ordered_json record = {{"type", "sim"},
                                   {"subject", name(asked.subject)},
                                   {"policy", asked.policy},
                                   {"seed", asked.seed},
                                   {"nodes", asked.nodes},
                                   {"lookups", result.done},
                                   {"p50", seconds(result.quantile(0.5))},
                                   {"p90", seconds(result.quantile(0.9))},
                                   {"p95", seconds(result.quantile(0.95))},
                                   {"p99", seconds(result.quantile(0.99))},
                                   {"queries", result.queries},
                                   {"failed", result.failed},
                                   {"events", result.events}};
  if (asked.subject == SimSubject::swarm) return record;
  record["dead_begin"] = result.dead_begin;
  record["dead"] = result.dead;
  record["living"] = result.living;
  record["departures"] = result.departures;
  if (asked.subject == SimSubject::lookup || asked.subject == SimSubject::churn)
    record["impossible"] = result.impossible;
  if (asked.subject == SimSubject::announce) {
    record["told"] = result.told;
    record["inside8"] = result.inside8;
    record["inside12"] = result.inside12;
  }
  return record;
}

std::vector<std::string> sim_lines(const SimAsked& asked, const sim::ExperimentResult& result) {
  std::vector<std::string> lines;
  lines.push_back(
      fmt::format("{}: {} nodes, policy {}, seed {}", name(asked.subject), asked.nodes, asked.policy, asked.seed));
  lines.push_back(fmt::format("{} {}, {} failed, {:.1f} queries each", result.done, plural(asked.subject),
                              result.failed, result.queries));
  if (const auto p50 = result.quantile(0.5)) {
    lines.push_back(fmt::format("{}: p50 {:.3f} s, p90 {:.3f} s, p99 {:.3f} s", timed(asked.subject), *p50,
                                *result.quantile(0.9), *result.quantile(0.99)));
  }
  if (asked.subject == SimSubject::announce) {
    lines.push_back(fmt::format("{:.1f} nodes store each; {:.1f}% of them are among the 8 closest, {:.1f}% among 12",
                                result.told, 100 * result.inside8, 100 * result.inside12));
  }
  if (asked.subject == SimSubject::swarm) return lines;
  lines.push_back(
      fmt::format("contacts that nodes hand out: {:.1f}% dead at the beginning, {:.1f}% when it was measured",
                  100 * result.dead_begin, 100 * result.dead));
  lines.push_back(fmt::format("{} nodes left meanwhile; {:.1f}% of what tables hold is still there", result.departures,
                              100 * result.living));
  return lines;
}

}  // namespace lodestone::tools
