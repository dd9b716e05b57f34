// SPDX-License-Identifier: Apache-2.0
#include "tools/cli/configuration.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <span>
#include <string_view>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "node/ops/config_file.hpp"

namespace lodestone::tools {
namespace {

using node::ConfigValue;

/// Never from a file or variable: they ask a question, or lead to the file itself.
constexpr std::array<std::string_view, 3> kCommandLineOnly = {"help", "version", "config"};

/// Flags that take a value after '='; CLI11 does not tell them from others.
constexpr std::array<std::string_view, 2> kTextFlags = {"seed", "metadata-only"};

/// Of each group a layer below is silent where a layer above has said something.
const std::vector<std::vector<std::string>> kGroups = {{"log-level", "quiet", "verbose"},
                                                       {"bootstrap", "no-bootstrap"}};

std::string long_name(const CLI::Option& option) {
  if (option.get_lnames().empty()) return {};
  const std::string& name = option.get_lnames().front();
  const bool excluded = std::find(kCommandLineOnly.begin(), kCommandLineOnly.end(), name) != kCommandLineOnly.end();
  return excluded ? std::string{} : name;
}

bool is_flag(const CLI::Option& option) { return option.get_items_expected_max() == 0; }
bool is_list(const CLI::Option& option) { return option.get_items_expected_max() > 1; }

/// The commands that were named, the program itself first.
std::vector<CLI::App*> chain_of(CLI::App& app) {
  std::vector<CLI::App*> chain = {&app};
  while (!chain.back()->get_subcommands().empty()) chain.push_back(chain.back()->get_subcommands().front());
  return chain;
}

CLI::Option* option_named(CLI::App& app, const std::string& name) {
  for (CLI::Option* option : app.get_options())
    if (long_name(*option) == name) return option;
  return nullptr;
}

CLI::App* subcommand_named(CLI::App& app, const std::string& name) {
  for (CLI::App* command : app.get_subcommands([](CLI::App*) { return true; }))
    if (command->get_name() == name) return command;
  return nullptr;
}

std::string words_of(const std::vector<std::string>& words, const char* separator) {
  return fmt::format("{}", fmt::join(words, separator));
}

/// Options that a layer above has decided, with what goes with them.
class Decided {
 public:
  [[nodiscard]] bool has(const CLI::Option* option) const { return options_.contains(option); }
  void add(CLI::App& app, const CLI::Option* option) {
    options_.insert(option);
    for (const auto& group : kGroups) {
      if (std::find(group.begin(), group.end(), long_name(*option)) == group.end()) continue;
      for (const std::string& name : group)
        if (const CLI::Option* other = option_named(app, name)) options_.insert(other);
    }
  }

 private:
  std::set<const CLI::Option*> options_;
};

/// Gives the option its texts as if they stood on the command line; returns why not.
std::optional<std::string> give(CLI::Option& option, const std::vector<std::string>& texts) {
  try {
    for (const std::string& text : texts) option.add_result(text);
    if (!option.empty()) option.run_callback();
    return std::nullopt;
  } catch (const CLI::ParseError& error) {
    std::string why = error.what();
    // CLI11 begins with the option's name; where it comes from has been said already.
    if (const auto colon = why.find(": "); why.starts_with("--") && colon != std::string::npos) why.erase(0, colon + 2);
    return why;
  }
}

/// Texts for a flag; none: it is off, as it is without being named.
std::vector<std::string> switched(const CLI::Option& flag, bool on) {
  return on ? std::vector{flag.get_flag_value(flag.get_lnames().front(), "")} : std::vector<std::string>{};
}

/// Whether a text will do for the flag, too.
bool takes_text(const CLI::Option& flag) {
  return std::find(kTextFlags.begin(), kTextFlags.end(), long_name(flag)) != kTextFlags.end();
}

// --- the environment ---

std::optional<bool> parse_switch(std::string_view text) {
  for (const std::string_view yes : {"true", "1", "yes", "on"})
    if (text == yes) return true;
  for (const std::string_view no : {"false", "0", "no", "off"})
    if (text == no) return false;
  return std::nullopt;
}

/// LODESTONE_DHT_PING_TIMEOUT and its like.
std::string variable_of(std::span<CLI::App* const> commands, const std::string& option) {
  std::string name = "LODESTONE";
  for (const CLI::App* command : commands.subspan(1)) name += "_" + command->get_name();
  name += "_" + option;
  for (char& c : name) {
    if (c == '-') c = '_';
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return name;
}

std::vector<std::string> split_at_commas(const std::string& text) {
  std::vector<std::string> parts;
  for (std::string& part : CLI::detail::split(text, ','))
    if (!CLI::detail::trim(part).empty()) parts.push_back(std::move(part));
  return parts;
}

std::optional<Failure> take_variable(CLI::Option& option, const std::string& name, const std::string& text) {
  const auto refuse = [&name](std::string cause) {
    return Failure{ExitCode::usage, name, std::move(cause), "Correct that variable, or unset it"};
  };
  std::vector<std::string> texts = {text};
  if (is_flag(option)) {
    const auto on = parse_switch(text);
    if (!on && !takes_text(option)) return refuse("'" + text + "' is neither true nor false");
    if (on) texts = switched(option, *on);
  } else if (is_list(option)) {
    texts = split_at_commas(text);
  }
  if (auto why = give(option, texts)) return refuse(*std::move(why));
  return std::nullopt;
}

std::optional<Failure> take_environment(std::span<CLI::App* const> chain, const Environment& environment,
                                        const Decided& above, Decided& decided) {
  for (std::size_t depth = 1; depth <= chain.size(); ++depth) {
    CLI::App& command = *chain[depth - 1];
    for (CLI::Option* option : command.get_options()) {
      const std::string key = long_name(*option);
      if (key.empty() || above.has(option)) continue;
      const std::string name = variable_of(chain.first(depth), key);
      const auto text = environment.variable(name);
      if (!text) continue;
      if (auto failure = take_variable(*option, name, *text)) return failure;
      decided.add(command, option);
    }
  }
  return std::nullopt;
}

// --- the file ---

class FileLayer {
 public:
  FileLayer(std::string path, CLI::App& app, std::span<CLI::App* const> chain, const Decided& above)
      : path_(std::move(path)), app_(app), chain_(chain), above_(above) {}

  std::optional<Failure> take();

 private:
  [[nodiscard]] Failure refuse(unsigned line, std::string cause, std::string next_step = {}) const {
    const std::string where = line == 0 ? path_ : fmt::format("{}:{}", path_, line);
    return {ExitCode::usage, where, std::move(cause), std::move(next_step)};
  }
  std::optional<Failure> take(const ConfigValue& value);
  [[nodiscard]] Failure unknown(const ConfigValue& value, const CLI::App& command) const;
  /// The texts that the option is given, or why its kind does not fit.
  [[nodiscard]] static std::expected<std::vector<std::string>, std::string> texts_for(const CLI::Option& option,
                                                                                      const ConfigValue& value);

  std::string path_;
  CLI::App& app_;
  std::span<CLI::App* const> chain_;
  const Decided& above_;
};

std::optional<Failure> FileLayer::take() {
  const node::ConfigValues values = node::read_config(path_);
  if (!values) return refuse(values.error().line, values.error().what);
  for (const ConfigValue& value : *values)
    if (auto failure = take(value)) return failure;
  return std::nullopt;
}

std::optional<Failure> FileLayer::take(const ConfigValue& value) {
  CLI::App* command = &app_;
  for (const std::string& name : value.section) {
    command = subcommand_named(*command, name);
    if (command == nullptr) {
      return refuse(value.line, "there is no command for the section [" + words_of(value.section, ".") + "]",
                    "See `lodestone --help`");
    }
  }
  if (value.key.empty()) return std::nullopt;  // the head of a section
  CLI::Option* option = option_named(*command, value.key);
  if (option == nullptr) return unknown(value, *command);
  auto texts = texts_for(*option, value);
  if (!texts) return refuse(value.line, value.key + " " + texts.error());
  const bool named = std::find(chain_.begin(), chain_.end(), command) != chain_.end();
  if (!named || above_.has(option)) return std::nullopt;
  if (auto why = give(*option, *texts)) return refuse(value.line, value.key + ": " + *why);
  return std::nullopt;
}

Failure FileLayer::unknown(const ConfigValue& value, const CLI::App& command) const {
  const std::string names = &command == &app_ ? "lodestone" : "lodestone " + words_of(value.section, " ");
  if (&command != &app_ && option_named(app_, value.key) != nullptr) {
    return refuse(value.line, value.key + " is a setting of every command",
                  "Move it to the top of the file, before the first [section]");
  }
  return refuse(value.line, "there is no setting '" + value.key + "' here", "See `" + names + " --help`");
}

std::expected<std::vector<std::string>, std::string> FileLayer::texts_for(const CLI::Option& option,
                                                                          const ConfigValue& value) {
  if (is_flag(option)) {
    if (value.kind == ConfigValue::Kind::boolean) return switched(option, value.texts.front() == "true");
    if (value.kind == ConfigValue::Kind::text && takes_text(option)) return value.texts;
    return std::unexpected("is true or false");
  }
  if (value.kind == ConfigValue::Kind::boolean) return std::unexpected("is not answered by true or false");
  if (value.kind == ConfigValue::Kind::list && !is_list(option)) return std::unexpected("takes one value, not a list");
  const std::string type = option.get_type_name();
  if (value.kind == ConfigValue::Kind::number && (type == "DIR" || type == "FILE"))
    return std::unexpected("is a path, in quotes, not a number");
  return value.texts;
}

}  // namespace

std::optional<Failure> configure(CLI::App& app, const Context& context) {
  const std::vector<CLI::App*> chain = chain_of(app);
  Decided by_flag;
  for (CLI::App* command : chain)
    for (const CLI::Option* option : command->get_options())
      if (!option->empty()) by_flag.add(*command, option);
  Decided above = by_flag;
  if (auto failure = take_environment(chain, context.environment, by_flag, above)) return failure;
  std::string path = context.global.config;
  if (path.empty()) path = context.environment.variable("LODESTONE_CONFIG").value_or("");
  if (path.empty()) return std::nullopt;
  return FileLayer(std::move(path), app, chain, above).take();
}

Settings settings_of(const CLI::App& app) {
  Settings settings;
  std::string prefix;
  for (const CLI::App* at = &app;; at = at->get_subcommands().front()) {
    if (at != &app) prefix += at->get_name() + ".";
    for (const CLI::Option* option : at->get_options())
      if (const std::string name = long_name(*option); !name.empty() && !option->empty())
        settings[prefix + name] = option->results();
    if (at->get_subcommands().empty()) return settings;
  }
}

}  // namespace lodestone::tools
