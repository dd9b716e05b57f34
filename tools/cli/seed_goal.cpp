// SPDX-License-Identifier: Apache-2.0
#include "tools/cli/seed_goal.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "tools/cli/units.hpp"

namespace lodestone::tools {
namespace {

std::expected<double, std::string> parse_ratio(std::string_view text) {
  double value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  const bool whole = parsed.ec == std::errc{} && parsed.ptr == text.data() + text.size();
  if (!whole || !std::isfinite(value) || value < 0)
    return std::unexpected("'" + std::string(text) + "' is no ratio: write 1 or 1.5");
  return value;
}

std::expected<void, std::string> take(std::string_view part, SeedGoal& goal) {
  if (part.starts_with("ratio:") && !goal.ratio) {
    const auto ratio = parse_ratio(part.substr(6));
    if (!ratio) return std::unexpected(ratio.error());
    goal.ratio = *ratio;
    return {};
  }
  if (part.starts_with("time:") && !goal.time) {
    const auto time = parse_duration(part.substr(5));
    if (!time) return std::unexpected(time.error());
    goal.time = *time;
    return {};
  }
  return std::unexpected("'" + std::string(part) + "' is not ratio:R or time:DUR");
}

}  // namespace

bool SeedGoal::reached(std::uint64_t uploaded, std::uint64_t size, wire::Duration since_complete) const {
  if (time && since_complete >= *time) return true;
  return ratio && static_cast<double>(uploaded) >= *ratio * static_cast<double>(size);
}

std::expected<SeedGoal, std::string> parse_seed_goal(std::string_view text) {
  SeedGoal goal;
  if (text.empty()) return goal;
  for (bool more = true; more;) {
    const std::size_t comma = text.find(',');
    more = comma != std::string_view::npos;
    if (auto ok = take(text.substr(0, comma), goal); !ok) return std::unexpected(std::move(ok.error()));
    if (more) text.remove_prefix(comma + 1);
  }
  return goal;
}

}  // namespace lodestone::tools
