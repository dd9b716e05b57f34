// SPDX-License-Identifier: Apache-2.0
#include "tools/cli/environment.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

extern char** environ;

namespace lodestone::tools {

namespace {

std::size_t terminal_columns() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

std::optional<std::string> Environment::variable(std::string_view name) const {
  const auto found = variables.find(name);
  if (found == variables.end() || found->second.empty()) return std::nullopt;
  return found->second;
}

Environment Environment::of_process() {
  Environment e;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::size_t equals = text.find('=');
    if (equals != std::string_view::npos) e.variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  e.in_is_terminal = ::isatty(STDIN_FILENO) == 1;
  e.out_is_terminal = ::isatty(STDOUT_FILENO) == 1;
  e.err_is_terminal = ::isatty(STDERR_FILENO) == 1;
  if (e.err_is_terminal) e.columns = terminal_columns;
  return e;
}

}  // namespace lodestone::tools
