// SPDX-License-Identifier: Apache-2.0
// A configuration file, read: TOML text to a flat list of named values, each with the line that it comes from, so that
// whoever refuses one can say where it stands. What the names mean is the command line's business. At most 1 MiB.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace lodestone::node {

struct ConfigValue {
  enum class Kind : std::uint8_t { text, number, boolean, list };

  std::vector<std::string> section;  // ["node"] for what follows [node]; empty: the top of the file
  std::string key;
  Kind kind = Kind::text;
  std::vector<std::string> texts;  // one, or the elements of a list; booleans are "true" and "false"
  unsigned line = 0;
};

struct ConfigError {
  unsigned line = 0;  // 0: the file as a whole
  std::string what;
};

using ConfigValues = std::expected<std::vector<ConfigValue>, ConfigError>;

/// In the order of the file. Refused: what is no TOML, times and dates, lists of anything but texts and numbers.
[[nodiscard]] ConfigValues parse_config(std::string_view text);
[[nodiscard]] ConfigValues read_config(const std::string& path);

}  // namespace lodestone::node
