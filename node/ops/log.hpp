// SPDX-License-Identifier: Apache-2.0
// The log: lines on stderr, by level. For people who look for a reason; results and progress are the command line's.
// Never pass secrets (C3). May be used from any thread.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>

#include <fmt/core.h>

namespace lodestone::node::log {

enum class Level : std::uint8_t { trace, debug, info, warn, error, off };

/// Before the first line is written: warn.
void set_level(Level level);
/// Written before each line: what takes a progress bar back that stands where the line shall go. Without '%'.
void set_line_start(std::string_view start);
[[nodiscard]] bool enabled(Level level);
void write(Level level, std::string_view line);

template <class... Args>
void line(Level level, fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(level)) write(level, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
  line(Level::debug, format, std::forward<Args>(args)...);
}
template <class... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  line(Level::info, format, std::forward<Args>(args)...);
}
template <class... Args>
void warn(fmt::format_string<Args...> format, Args&&... args) {
  line(Level::warn, format, std::forward<Args>(args)...);
}

}  // namespace lodestone::node::log
