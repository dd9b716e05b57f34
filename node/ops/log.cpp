// SPDX-License-Identifier: Apache-2.0
#include "node/ops/log.hpp"

#include <memory>
#include <string>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "node/ops/log_sinks.hpp"

namespace lodestone::node::log {
namespace {

constexpr const char* kPattern = "%Y-%m-%dT%H:%M:%S.%e %l %v";

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::trace: return spdlog::level::trace;
    case Level::debug: return spdlog::level::debug;
    case Level::info: return spdlog::level::info;
    case Level::warn: return spdlog::level::warn;
    case Level::error: return spdlog::level::err;
    case Level::off: break;
  }
  return spdlog::level::off;
}

/// Without colours: the sink cannot know what the command line decided about them.
struct Log {
  std::shared_ptr<spdlog::logger> logger =
      std::make_shared<spdlog::logger>("lodestone", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  AppendingFile file;  // without a sink: stderr
  std::string line_start;
  Format format = Format::text;

  Log() {
    logger->set_level(spdlog::level::warn);
    settle();
  }
  void settle() {
    if (format == Format::json) return logger->set_formatter(json_lines());
    logger->set_pattern((file.sink ? "" : line_start) + kPattern);
  }
};

Log& the_log() {
  static Log instance;
  return instance;
}

spdlog::logger& logger() { return *the_log().logger; }

}  // namespace

void set_level(Level level) { logger().set_level(to_spdlog(level)); }

void set_line_start(std::string_view start) {
  the_log().line_start = start;
  the_log().settle();
}

void set_format(Format format) {
  the_log().format = format;
  the_log().settle();
}

std::error_code set_file(const std::string& path) {
  AppendingFile file = appending_file(path);
  if (const auto error = file.open()) return error;
  logger().sinks() = {file.sink};
  the_log().file = std::move(file);
  the_log().settle();
  return {};
}

std::error_code reopen() { return the_log().file.sink ? the_log().file.open() : std::error_code{}; }

bool enabled(Level level) { return logger().should_log(to_spdlog(level)); }
void write(Level level, std::string_view line) {
  logger().log(to_spdlog(level), spdlog::string_view_t{line.data(), line.size()});
}

}  // namespace lodestone::node::log
