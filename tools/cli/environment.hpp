// SPDX-License-Identifier: Apache-2.0
// What the program is told by its surroundings, as a value: variables and whether the streams are terminals. main()
// takes the process's own, tests make one.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace lodestone::tools {

struct Environment {
  std::map<std::string, std::string, std::less<>> variables;
  bool in_is_terminal = false;
  bool out_is_terminal = false;
  bool err_is_terminal = false;
  /// Of the terminal on stderr, now: a window changes while a bar is shown. 0: unknown, nothing is shortened.
  std::function<std::size_t()> columns = [] { return std::size_t{80}; };

  /// nullopt when unset; an empty value counts as unset, which is what XDG and NO_COLOR ask for.
  [[nodiscard]] std::optional<std::string> variable(std::string_view name) const;
  [[nodiscard]] static Environment of_process();
};

}  // namespace lodestone::tools
