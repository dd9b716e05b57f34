// SPDX-License-Identifier: Apache-2.0
// Options whose text one of our own parsers reads. A text that it refuses is a usage error (exit 2) that names the
// option. For commands while they register.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace lodestone::tools {

/// Takes the text of an option; returns why not.
using TakeText = std::function<std::optional<std::string>(const std::string&)>;

CLI::Option* add_text_option(CLI::App& app, const std::string& names, TakeText take, const std::string& help);
/// Repeatable, one value each time (CLI11's own vectors would also swallow the words that follow). With `delimiter`
/// each text is cut there first.
CLI::Option* add_text_list_option(CLI::App& app, const std::string& names, TakeText take, const std::string& help,
                                  char delimiter = '\0');

/// parse: std::string -> std::expected<Value, std::string>; target is assigned the value.
template <class Target, class Parse>
CLI::Option* add_parsed(CLI::App& app, const std::string& names, Target& target, Parse parse, const std::string& help) {
  const auto take = [&target, parse](const std::string& text) -> std::optional<std::string> {
    auto value = parse(text);
    if (!value) return std::move(value.error());
    target = *std::move(value);
    return std::nullopt;
  };
  return add_text_option(app, names, take, help);
}

/// The same for a list, to which each value is appended.
template <class Value, class Parse>
CLI::Option* add_parsed_list(CLI::App& app, const std::string& names, std::vector<Value>& target, Parse parse,
                             const std::string& help, char delimiter = '\0') {
  const auto take = [&target, parse](const std::string& text) -> std::optional<std::string> {
    auto value = parse(text);
    if (!value) return std::move(value.error());
    target.push_back(*std::move(value));
    return std::nullopt;
  };
  return add_text_list_option(app, names, take, help, delimiter);
}

}  // namespace lodestone::tools
