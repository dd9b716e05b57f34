// SPDX-License-Identifier: Apache-2.0
// How and where spdlog writes our lines beyond what it brings along: as JSON, and to a file that can be opened again.
// For node/ops/log alone.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <system_error>

namespace spdlog {
class formatter;
namespace sinks {
class sink;
}
}  // namespace spdlog

namespace lodestone::node::log {

/// {"time":"2026-01-31T12:00:00.123Z","level":"warn","message":"..."}. What is no UTF-8 is mended.
[[nodiscard]] std::unique_ptr<spdlog::formatter> json_lines();

/// Appends each line by one write(), so that a reader never sees half of one, and nothing is lost that was written
/// before a kill -9. A line that the disk does not take is lost: there is nobody to tell.
struct AppendingFile {
  std::shared_ptr<spdlog::sinks::sink> sink;
  std::function<std::error_code()> open;  // at first, and again; a failure leaves the open one as it is
};
[[nodiscard]] AppendingFile appending_file(std::string path);

}  // namespace lodestone::node::log
