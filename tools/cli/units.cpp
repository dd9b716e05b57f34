// SPDX-License-Identifier: Apache-2.0
#include "tools/cli/units.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <ctime>
#include <limits>
#include <optional>

#include <fmt/format.h>

namespace lodestone::tools {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool same(std::string_view a, std::string_view lower_case) {
  if (a.size() != lower_case.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (lower(a[i]) != lower_case[i]) return false;
  return true;
}

/// A decimal number as it stands: digits and what follows the point apart, so that sizes stay exact.
struct Number {
  std::uint64_t whole = 0;
  long double fraction = 0;  // [0, 1)
};

/// Takes a number from the front of the text; nullopt when there is none or it exceeds 64 bits.
std::optional<Number> take_number(std::string_view& text) {
  Number number;
  const char* const end = text.data() + text.size();
  auto [at, problem] = std::from_chars(text.data(), end, number.whole);
  if (problem != std::errc{}) return std::nullopt;
  if (at != end && *at == '.') {
    const char* const point = at++;
    long double unit = 0.1L;
    for (; at != end && *at >= '0' && *at <= '9'; ++at, unit /= 10) number.fraction += unit * (*at - '0');
    if (at == point + 1) return std::nullopt;
  }
  text.remove_prefix(static_cast<std::size_t>(at - text.data()));
  return number;
}

/// number * factor, nullopt beyond `limit`.
std::optional<std::uint64_t> scaled(const Number& number, std::uint64_t factor, std::uint64_t limit) {
  if (number.whole > limit / factor) return std::nullopt;
  const auto part = static_cast<std::uint64_t>(number.fraction * static_cast<long double>(factor));
  const std::uint64_t whole = number.whole * factor;
  if (part > limit - whole) return std::nullopt;
  return whole + part;
}

std::optional<std::uint64_t> size_factor(std::string_view unit) {
  if (unit.empty() || same(unit, "b")) return 1;
  static constexpr std::string_view kPrefixes = "kmgtp";
  const std::size_t index = kPrefixes.find(lower(unit[0]));
  if (index == std::string_view::npos) return std::nullopt;
  const std::string_view rest = unit.substr(1);
  const bool decimal = same(rest, "b");
  if (!decimal && !rest.empty() && !same(rest, "i") && !same(rest, "ib")) return std::nullopt;
  std::uint64_t factor = 1;
  for (std::size_t i = 0; i <= index; ++i) factor *= decimal ? 1000 : 1024;
  return factor;
}

std::optional<std::uint64_t> duration_factor(std::string_view unit) {
  constexpr std::uint64_t kSecond = 1'000'000'000;
  if (same(unit, "ms")) return kSecond / 1000;
  if (unit.empty() || same(unit, "s")) return kSecond;
  if (same(unit, "m") || same(unit, "min")) return 60 * kSecond;
  if (same(unit, "h")) return 3600 * kSecond;
  if (same(unit, "d")) return 86400 * kSecond;
  return std::nullopt;
}

std::unexpected<std::string> bad(std::string_view text, std::string_view wanted) {
  return std::unexpected(fmt::format("'{}' is no {}", text, wanted));
}

}  // namespace

std::expected<std::uint64_t, std::string> parse_size(std::string_view text) {
  constexpr std::string_view kWanted = "size such as 500k, 2MiB or 10MB";
  std::string_view rest = text;
  const auto number = take_number(rest);
  if (!number) return bad(text, kWanted);
  const auto factor = size_factor(rest);
  if (!factor) return bad(text, kWanted);
  const auto size = scaled(*number, *factor, std::numeric_limits<std::int64_t>::max());
  if (!size) return std::unexpected(fmt::format("'{}' is too large", text));
  return *size;
}

std::expected<std::uint64_t, std::string> parse_rate(std::string_view text) {
  std::string_view size = text;
  if (size.size() > 2 && same(size.substr(size.size() - 2), "/s")) size.remove_suffix(2);
  const auto rate = parse_size(size);
  if (!rate) return bad(text, "rate such as 500k or 10MB/s");
  return rate;
}

std::expected<wire::Duration, std::string> parse_duration(std::string_view text) {
  constexpr std::string_view kWanted = "duration such as 30s, 5m or 1h30m";
  // Far above any use, far below where adding it to an instant overflows.
  constexpr std::uint64_t kLimit = std::uint64_t{3650} * 86400 * 1'000'000'000;
  std::string_view rest = text;
  std::uint64_t sum = 0;
  do {
    const auto number = take_number(rest);
    if (!number) return bad(text, kWanted);
    std::size_t letters = 0;
    while (letters < rest.size() && lower(rest[letters]) >= 'a' && lower(rest[letters]) <= 'z') ++letters;
    const auto factor = duration_factor(rest.substr(0, letters));
    // A bare number is seconds, but only where it stands alone: "1h30" is a guess.
    if (!factor || (letters == 0 && (!rest.empty() || sum != 0))) return bad(text, kWanted);
    const auto part = scaled(*number, *factor, kLimit - sum);
    if (!part) return std::unexpected(fmt::format("'{}' is too long", text));
    sum += *part;
    rest.remove_prefix(letters);
  } while (!rest.empty());
  return wire::Duration(static_cast<std::int64_t>(sum));
}

std::string format_size(std::uint64_t bytes) {
  static constexpr std::array<std::string_view, 7> kUnits = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  // 1023.96 would be printed as 1024.0: it is the next unit's 1.0.
  while (unit + 1 < kUnits.size() && value >= 1023.95) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string format_rate(double bytes_per_second) {
  constexpr double kMost = 9e18;
  const double bounded = bytes_per_second > 0 ? std::min(bytes_per_second, kMost) : 0;
  return format_size(static_cast<std::uint64_t>(bounded)) + "/s";
}

std::string format_duration(double seconds) {
  if (!(seconds > 0)) return "0 s";
  if (seconds < 9.95) return fmt::format("{:.1f} s", seconds);
  if (seconds > 1e12) return "for ever";
  const auto s = static_cast<std::uint64_t>(std::llround(seconds));
  if (s < 60) return fmt::format("{} s", s);
  if (s < 3600) return fmt::format("{}m {:02}s", s / 60, s % 60);
  if (s < 86400) return fmt::format("{}h {:02}m", s / 3600, s % 3600 / 60);
  return fmt::format("{}d {}h", s / 86400, s % 86400 / 3600);
}

std::string format_time(wire::UnixSeconds time) {
  constexpr wire::UnixSeconds kYear0 = -62167219200;
  constexpr wire::UnixSeconds kYear10000 = 253402300800;
  if (time < kYear0 || time >= kYear10000) return {};
  const std::time_t value = time;
  std::tm parts{};
  if (::gmtime_r(&value, &parts) == nullptr) return {};
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday,
                     parts.tm_hour, parts.tm_min, parts.tm_sec);
}

}  // namespace lodestone::tools
