// SPDX-License-Identifier: Apache-2.0
// Sizes, rates and durations as people write and read them. Pure.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "wire/base/time.hpp"

namespace lodestone::tools {

/// Bytes: "16384", "500k", "1.5M", "2MiB", "10MB". k, M, G, T, P and KiB, MiB, ... are powers of 1024; kB, MB, ... are
/// powers of 1000 (as GNU tools read them). Case is ignored. The error is a cause for a person.
[[nodiscard]] std::expected<std::uint64_t, std::string> parse_size(std::string_view text);
/// Bytes per second: a size with or without "/s".
[[nodiscard]] std::expected<std::uint64_t, std::string> parse_rate(std::string_view text);
/// "30s", "5m", "1h30m", "250ms", "2d", "1.5" (seconds).
[[nodiscard]] std::expected<wire::Duration, std::string> parse_duration(std::string_view text);

/// "0 B", "1.5 KiB", "12 MiB".
[[nodiscard]] std::string format_size(std::uint64_t bytes);
/// "1.5 MiB/s".
[[nodiscard]] std::string format_rate(double bytes_per_second);
/// "0.4 s", "12 s", "3m 20s", "2h 05m", "3d 4h".
[[nodiscard]] std::string format_duration(double seconds);
/// RFC 3339 in UTC: "2024-05-01T12:00:00Z". Years outside 0000-9999 give an empty text.
[[nodiscard]] std::string format_time(wire::UnixSeconds time);

}  // namespace lodestone::tools
