// SPDX-License-Identifier: Apache-2.0
// `--seed[=ratio:R,time:DUR]`: until when a finished download goes on serving. Pure.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "wire/base/time.hpp"

namespace lodestone::tools {

/// Whichever is reached first; without any of them: until stopped.
struct SeedGoal {
  std::optional<double> ratio;         // uploaded / size of what was wanted
  std::optional<wire::Duration> time;  // since the download was complete
  [[nodiscard]] bool endless() const { return !ratio && !time; }
  [[nodiscard]] bool reached(std::uint64_t uploaded, std::uint64_t size, wire::Duration since_complete) const;
  friend bool operator==(const SeedGoal&, const SeedGoal&) = default;
};

/// "ratio:1.5", "time:2h", both with a comma in any order; empty: endless. The error is a cause for a person.
[[nodiscard]] std::expected<SeedGoal, std::string> parse_seed_goal(std::string_view text);

}  // namespace lodestone::tools
