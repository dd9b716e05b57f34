// SPDX-License-Identifier: Apache-2.0
#include "tools/cli/options.hpp"

#include <CLI/CLI.hpp>

namespace lodestone::tools {

CLI::Option* add_text_option(CLI::App& app, const std::string& names, TakeText take, const std::string& help) {
  return app.add_option_function<std::string>(
      names,
      [names, take = std::move(take)](const std::string& text) {
        if (const auto problem = take(text)) throw CLI::ValidationError(names, *problem);
      },
      help);
}

CLI::Option* add_text_list_option(CLI::App& app, const std::string& names, TakeText take, const std::string& help,
                                  char delimiter) {
  CLI::Option* option = app.add_option_function<std::vector<std::string>>(
      names,
      [names, take = std::move(take)](const std::vector<std::string>& texts) {
        for (const std::string& text : texts)
          if (const auto problem = take(text)) throw CLI::ValidationError(names, *problem);
      },
      help);
  option->allow_extra_args(false);
  if (delimiter != '\0') option->delimiter(delimiter);
  return option;
}

}  // namespace lodestone::tools
