// SPDX-License-Identifier: Apache-2.0
#include "node/ops/log_sinks.hpp"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <mutex>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <spdlog/formatter.h>
#include <spdlog/sinks/base_sink.h>

#include "node/net/fd.hpp"

namespace lodestone::node::log {
namespace {

std::string_view word_for(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::trace: return "trace";
    case spdlog::level::debug: return "debug";
    case spdlog::level::info: return "info";
    case spdlog::level::warn: return "warn";
    default: return "error";
  }
}

std::string rfc3339(spdlog::log_clock::time_point at) {
  const auto since_epoch = std::chrono::duration_cast<std::chrono::milliseconds>(at.time_since_epoch()).count();
  const auto seconds = static_cast<time_t>(since_epoch / 1000);
  tm utc{};
  ::gmtime_r(&seconds, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
                     utc.tm_hour, utc.tm_min, utc.tm_sec, since_epoch % 1000);
}

class JsonLines final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& line) override;
  [[nodiscard]] std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<JsonLines>(); }
};

class FileSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit FileSink(std::string path) : path_(std::move(path)) {}
  std::error_code open();

 private:
  void sink_it_(const spdlog::details::log_msg& message) override;
  void flush_() override {}

  const std::string path_;
  UniqueFd file_;
};

void JsonLines::format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& line) {
  const nlohmann::ordered_json object = {{"time", rfc3339(message.time)},
                                         {"level", word_for(message.level)},
                                         {"message", std::string(message.payload.data(), message.payload.size())}};
  const std::string text = object.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  line.append(text.data(), text.data() + text.size());
  line.push_back('\n');
}

std::error_code FileSink::open() {
  UniqueFd opened{::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640)};
  if (!opened) return last_error();
  const std::lock_guard lock(mutex_);
  file_ = std::move(opened);
  return {};
}

void FileSink::sink_it_(const spdlog::details::log_msg& message) {
  spdlog::memory_buf_t line;
  formatter_->format(message, line);
  std::string_view left(line.data(), line.size());
  while (!left.empty()) {
    const ssize_t written = ::write(file_.fd(), left.data(), left.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return;
    left.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace

std::unique_ptr<spdlog::formatter> json_lines() { return std::make_unique<JsonLines>(); }

AppendingFile appending_file(std::string path) {
  auto sink = std::make_shared<FileSink>(std::move(path));
  return {sink, [sink] { return sink->open(); }};
}

}  // namespace lodestone::node::log
