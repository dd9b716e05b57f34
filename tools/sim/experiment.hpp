// SPDX-License-Identifier: Apache-2.0
// The vantage experiments: one seeded crowd, the same for every policy, tables filled from the stationary model, then a
// time of warming up; only the vantage nodes, 64 or fewer, change policy. What they do is read off their wires.
//
//   lookup     distinct hashes, each announced by a node of the crowd some minutes before; the times are to the first
//              value. Failed: no value came although somebody reachable stored one when the lookup began.
//   announce   distinct hashes nobody has looked for; the times are until the eighth node has confirmed (the last, if
//              there were fewer). Failed: nobody has.
//   bootstrap  newcomers who know three nodes; the times are until eight of the twelve reachable nodes closest to them
//              have answered them. Failed: not within a minute.
//   churn      like lookup, in a crowd whose sessions are a tenth as long.
//
// A run is a function of its configuration: the same result, whatever the machine.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "wire/base/time.hpp"

namespace lodestone::tools::sim {

enum class Subject : std::uint8_t { lookup, announce, bootstrap, churn };

struct ExperimentConfig {
  Subject subject = Subject::lookup;
  std::string policy = "lodestone";             // one of policy_names()
  std::size_t nodes = 10'000;                   // kFewestNodes or more
  std::size_t lookups = 1'000;                  // or announcements, or newcomers
  std::optional<double> rtt_ms = std::nullopt;  // median of round trips; nullopt: the model's, about 160
  double dead = 0.4;                            // share of dead entries in tables when it begins
  double loss = 0.01;
  std::uint64_t seed = 1;
  wire::Duration warm_up = std::chrono::minutes(15);
};
inline constexpr std::size_t kFewestNodes = 100;

struct ExperimentResult {
  std::size_t done = 0;              // lookups that could succeed
  std::vector<double> times;         // seconds, sorted; of those that did
  std::size_t failed = 0;            // of those that could
  std::size_t impossible = 0;        // nobody reachable stored it
  double queries = 0;                // per lookup
  std::uint64_t events = 0;          // of the simulator
  double dead_begin = 0, dead = 0;   // contacts that the crowd would hand out: unreachable, at the beginning and when
                                     // the lookups began
  std::uint64_t departures = 0;      // nodes that left while it ran
  double told = 0;                   // announce: nodes that confirmed, per announcement,
  double inside8 = 0, inside12 = 0;  // and the share of these that are truly among the closest
  double living = 0;                 // of all that stands in the crowd's tables at the end, the share that is there
  /// Nearest rank; nullopt: nothing was measured.
  [[nodiscard]] std::optional<double> quantile(double q) const;
};

/// What somebody outside may want to see of a run.
struct ExperimentHooks {
  std::function<void()> built;                // the crowd is there, nothing has happened yet
  std::function<void(double done)> progress;  // share of the run's virtual time; now and then
  std::function<bool()> stop;                 // true: end it, the result is worthless
};

[[nodiscard]] ExperimentResult run_experiment(const ExperimentConfig& config, const ExperimentHooks& hooks = {});

}  // namespace lodestone::tools::sim
