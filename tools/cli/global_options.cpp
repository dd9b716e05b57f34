// SPDX-License-Identifier: Apache-2.0
#include <expected>
#include <map>
#include <string>
#include <string_view>

#include <CLI/CLI.hpp>

#include "tools/cli/commands.hpp"
#include "tools/cli/context.hpp"
#include "tools/cli/options.hpp"
#include "tools/cli/units.hpp"

namespace lodestone::tools {
namespace {

std::expected<ListenOption, std::string> parse_listen(std::string_view text) {
  if (auto address = wire::Address::parse(text)) return ListenOption{*address, std::nullopt};
  if (text.starts_with('[') && text.ends_with(']'))
    if (auto address = wire::Address::parse(text.substr(1, text.size() - 2)))
      return ListenOption{*address, std::nullopt};
  if (auto endpoint = wire::Endpoint::parse(text)) return ListenOption{endpoint->address, endpoint->port};
  return std::unexpected("'" + std::string(text) + "' is no ADDR or ADDR:PORT");
}

std::expected<magnet::HostPort, std::string> parse_host_port(std::string_view text) {
  if (auto parsed = magnet::HostPort::parse(text)) return *parsed;
  return std::unexpected("'" + std::string(text) + "' is no HOST:PORT");
}

const std::map<std::string, ProgressMode> kProgressModes = {{"auto", ProgressMode::automatic},
                                                            {"bar", ProgressMode::bar},
                                                            {"line", ProgressMode::line},
                                                            {"json", ProgressMode::json},
                                                            {"none", ProgressMode::none}};
const std::map<std::string, ColorMode> kColorModes = {
    {"auto", ColorMode::automatic}, {"always", ColorMode::always}, {"never", ColorMode::never}};
const std::map<std::string, LogLevel> kLogLevels = {{"trace", LogLevel::trace}, {"debug", LogLevel::debug},
                                                    {"info", LogLevel::info},   {"warn", LogLevel::warn},
                                                    {"error", LogLevel::error}, {"off", LogLevel::off}};

const std::map<std::string, LogFormat> kLogFormats = {{"text", LogFormat::text}, {"json", LogFormat::json}};

/// A word out of a table. (CLI11's own transformers also let the numbers behind the words pass.)
template <class Value>
void add_choice(CLI::App& app, const std::string& names, Value& target, const std::map<std::string, Value>& table,
                const std::string& help) {
  std::string words;
  for (const auto& [word, value] : table) words += (words.empty() ? "" : "|") + word;
  const auto parse = [&table, words](const std::string& text) -> std::expected<Value, std::string> {
    const auto found = table.find(text);
    if (found == table.end()) return std::unexpected("'" + text + "' is none of " + words);
    return found->second;
  };
  add_parsed(app, names, target, parse, help)->type_name(words);
}

}  // namespace

void add_global_options(CLI::App& app, Context& context) {
  GlobalOptions& g = context.global;
  app.option_defaults()->group("Global options");
  add_parsed_list(app, "--listen", g.listen, parse_listen, "Local address (repeatable)")->type_name("ADDR[:PORT]");
  add_parsed_list(app, "--bootstrap", g.bootstrap, parse_host_port,
                  "DHT nodes to start from, instead of the built-in ones", ',')
      ->type_name("HOST:PORT[,...]");
  app.add_flag("--no-bootstrap", g.no_bootstrap, "Start from saved and given DHT nodes only");
  add_parsed_list(app, "--peer", g.peers, parse_host_port, "A peer to try (repeatable)")->type_name("HOST:PORT");
  app.add_option("--state-dir", g.state_dir, "Where state is kept (default: $XDG_STATE_HOME/lodestone)")
      ->type_name("DIR");
  app.add_flag("--json", g.json, "Records as JSON on stdout");
  app.add_flag("-q,--quiet", g.quiet, "Only results and errors");
  app.add_flag("-v,--verbose", g.verbose, "Say more (repeatable)");
  add_choice(app, "--log-level", g.log_level, kLogLevels, "Least level that is logged");
  app.add_option("--log-file", g.log_file, "Where the log is appended (default: stderr)")->type_name("FILE");
  add_choice(app, "--log-format", g.log_format, kLogFormats, "How its lines look");
  add_parsed(app, "--timeout", g.timeout, parse_duration, "Give up after that time")->type_name("DUR");
  add_choice(app, "--progress", g.progress, kProgressModes, "How progress is shown");
  add_choice(app, "--color", g.color, kColorModes, "Colour on a terminal");
  app.add_flag("-4", g.v4_only, "IPv4 only");
  app.add_flag("-6", g.v6_only, "IPv6 only");
  app.add_flag("--private-net", g.private_net, "Accept every kind of address, lift per-address limits");
  app.add_option("--config", g.config, "Options from a TOML file; flags and LODESTONE_... variables override it")
      ->type_name("FILE");
  app.option_defaults()->group("Options");
}

void lend_digit_flags(CLI::App& app, Context& context) {
  for (CLI::App* command : app.get_subcommands([](CLI::App*) { return true; })) {
    command->add_flag("-4", context.global.v4_only)->group("");  // not in its help
    command->add_flag("-6", context.global.v6_only)->group("");
    lend_digit_flags(*command, context);
  }
}

}  // namespace lodestone::tools
