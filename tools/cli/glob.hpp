// SPDX-License-Identifier: Apache-2.0
// Patterns for file names, as shells and .gitignore have them: `*`, `?` and `[a-z]` stay within one element of a path,
// `**` as a whole element stands for any number of them, `\` takes the next character as it is. Pure. The names are
// strangers': the work is bounded by pattern length times name length.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lodestone::tools {

/// One element against one name, without any meaning of '/'. A `?` is one character of UTF-8.
[[nodiscard]] bool glob_matches(std::string_view pattern, std::string_view name);

/// A pattern without '/' matches an element anywhere in the path; one with '/' from the path's start. A pattern that
/// matches a folder matches everything in it.
[[nodiscard]] bool glob_matches_path(std::string_view pattern, const std::vector<std::string>& path);

}  // namespace lodestone::tools
