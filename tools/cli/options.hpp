// SPDX-License-Identifier: Apache-2.0
// Options whose text one of our own parsers reads. A text that it refuses is a usage error (exit 2) that names the
// option. For .cpp files of commands only: it draws in CLI11.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <utility>
#include <vector>

namespace lodestone::tools {

/// parse: std::string_view -> std::expected<Value, std::string>; target is assigned the value.
template <class Target, class Parse>
CLI::Option* add_parsed(CLI::App& app, const std::string& names, Target& target, Parse parse, const std::string& help) {
  return app.add_option_function<std::string>(
      names,
      [&target, parse, names](const std::string& text) {
        auto value = parse(text);
        if (!value) throw CLI::ValidationError(names, value.error());
        target = *std::move(value);
      },
      help);
}

/// Repeatable, one value each time (CLI11's own vectors would also swallow the words that follow). With `delimiter`
/// each text is cut there first.
template <class Value, class Parse>
CLI::Option* add_parsed_list(CLI::App& app, const std::string& names, std::vector<Value>& target, Parse parse,
                             const std::string& help, char delimiter = '\0') {
  CLI::Option* option = app.add_option_function<std::vector<std::string>>(
      names,
      [&target, parse, names](const std::vector<std::string>& texts) {
        for (const std::string& text : texts) {
          auto value = parse(text);
          if (!value) throw CLI::ValidationError(names, value.error());
          target.push_back(*std::move(value));
        }
      },
      help);
  option->allow_extra_args(false);
  if (delimiter != '\0') option->delimiter(delimiter);
  return option;
}

}  // namespace lodestone::tools
