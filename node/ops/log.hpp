// SPDX-License-Identifier: Apache-2.0
// The log: lines by level, on stderr or in a file. For people who look for a reason, and for what collects logs;
// results and progress are the command line's. Never pass secrets (C3). May be used from any thread but for set_*().
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <fmt/core.h>

namespace lodestone::node::log {

enum class Level : std::uint8_t { trace, debug, info, warn, error, off };
/// text: local time, level and words. json: {"time":RFC 3339 in UTC,"level":s,"message":s}, one object a line.
enum class Format : std::uint8_t { text, json };

/// Before the first line is written: warn. May change at any time.
void set_level(Level level);
/// Written before each line on stderr: what takes a progress bar back that stands where the line shall go. Without '%'.
void set_line_start(std::string_view start);
/// Before other threads write.
void set_format(Format format);
/// Appends to that file instead of stderr (made 0640 if need be); before other threads write.
[[nodiscard]] std::error_code set_file(const std::string& path);
/// Opens the file of set_file() again, where logrotate has put it away; on failure lines still go to the old one.
/// Without such a file nothing happens.
[[nodiscard]] std::error_code reopen();

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
template <class... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
  line(Level::error, format, std::forward<Args>(args)...);
}

}  // namespace lodestone::node::log
