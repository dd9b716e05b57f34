// SPDX-License-Identifier: Apache-2.0
// Command lines that a person can paste into a shell.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lodestone::tools {

/// As it is when that is safe, else in single quotes.
[[nodiscard]] std::string shell_quoted(std::string_view word);
[[nodiscard]] std::string shell_line(const std::vector<std::string>& words);

/// How this program was called: a pasted line shall find the same one.
[[nodiscard]] std::string program_name();

}  // namespace lodestone::tools
