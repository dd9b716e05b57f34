// SPDX-License-Identifier: Apache-2.0
// What `sim` says of an experiment: the record and the text. Nothing in them depends on the machine or its clock.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "tools/sim/experiment.hpp"

namespace lodestone::tools {

enum class SimSubject : std::uint8_t { lookup, announce, bootstrap, churn, swarm };

[[nodiscard]] std::string_view name(SimSubject subject);

/// What was asked for.
struct SimAsked {
  SimSubject subject = SimSubject::lookup;
  std::string policy;
  std::size_t nodes = 0;
  std::uint64_t seed = 0;
};

[[nodiscard]] nlohmann::ordered_json sim_record(const SimAsked& asked, const sim::ExperimentResult& result);
[[nodiscard]] std::vector<std::string> sim_lines(const SimAsked& asked, const sim::ExperimentResult& result);

}  // namespace lodestone::tools
