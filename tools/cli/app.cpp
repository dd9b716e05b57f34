// SPDX-License-Identifier: Apache-2.0
#include "tools/cli/app.hpp"

#include <algorithm>
#include <exception>
#include <istream>
#include <new>
#include <ostream>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "tools/cli/commands.hpp"
#include "tools/cli/configuration.hpp"
#include "tools/cli/context.hpp"
#include "tools/cli/session_options.hpp"
#include "tools/cli/version.hpp"

namespace lodestone::tools {
namespace {

std::string version_line() { return std::string("lodestone ") + kVersion; }

/// The command line failed before the options were stored: whether --json was among them is read from the words.
bool wants_json(std::span<const char* const> args) {
  for (const char* arg : args) {
    if (std::string_view(arg) == "--") return false;
    if (std::string_view(arg) == "--json") return true;
  }
  return false;
}

std::string default_state_dir(const Environment& environment) {
  // systemd's StateDirectory=, of several the first.
  if (const auto dir = environment.variable("STATE_DIRECTORY"); dir && dir->starts_with('/'))
    return dir->substr(0, dir->find(':'));
  // The XDG specification has relative paths ignored.
  if (const auto dir = environment.variable("XDG_STATE_HOME"); dir && dir->starts_with('/')) return *dir + "/lodestone";
  if (const auto home = environment.variable("HOME")) return *home + "/.local/state/lodestone";
  return {};
}

/// What the frame itself decides from the global options once all are known.
void settle(const CLI::App& app, Context& context) {
  GlobalOptions& g = context.global;
  if (g.state_dir.empty()) g.state_dir = default_state_dir(context.environment);
  if (app.count("--log-level") == 0) {
    if (g.quiet) g.log_level = LogLevel::error;
    if (g.verbose == 1) g.log_level = LogLevel::info;
    if (g.verbose == 2) g.log_level = LogLevel::debug;
    if (g.verbose > 2) g.log_level = LogLevel::trace;
  }
  context.out.set_rules({g.json, g.quiet, g.progress, g.color});
}

/// "lodestone magnet parse", as far as subcommands were recognised.
std::string named_command(const CLI::App& app) {
  std::string names = app.get_name();
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) {
    at = at->get_subcommands().front();
    names += " " + at->get_name();
  }
  return names;
}

std::string first_line(std::string_view text) {
  std::string line(text.substr(0, text.find('\n')));
  while (line.ends_with('.') || line.ends_with(' ')) line.pop_back();
  return line;
}

ExitCode usage_error(CLI::App& app, Context& context, const CLI::ParseError& error) {
  const std::string command = named_command(app);
  const std::vector<std::string> left = app.remaining();
  std::string cause = first_line(error.what());
  if (app.get_subcommands().empty() && !left.empty() && !left.front().starts_with('-'))
    cause = "there is no command '" + left.front() + "'";
  return context.fail(ExitCode::usage, command, cause, "See `" + command + " --help`");
}

/// Parses; afterwards context.action is set, or the code says how it ended.
std::optional<ExitCode> parse(CLI::App& app, Context& context, std::span<const char* const> args) {
  std::vector<std::string> words(args.begin(), args.end());
  std::reverse(words.begin(), words.end());  // CLI11 takes them from the back
  try {
    app.parse(std::move(words));
  } catch (const CLI::CallForVersion&) {
    context.out.out() << version_line() << '\n';
    return ExitCode::ok;
  } catch (const CLI::Success&) {  // help
    context.out.out() << app.help();
    return ExitCode::ok;
  } catch (const CLI::ParseError& error) {
    context.out.set_rules({.json = wants_json(args)});
    return usage_error(app, context, error);
  }
  if (const auto failure = configure(app, context)) {
    context.out.set_rules({.json = wants_json(args)});
    return context.fail(*failure);
  }
  settle(app, context);
  const std::string command = named_command(app);
  if (context.global.v4_only && context.global.v6_only)
    return context.fail(ExitCode::usage, command, "-4 and -6 exclude each other", "Leave both out to use both");
  if (context.action) return std::nullopt;
  return context.fail(ExitCode::usage, command, "a command is missing", "See `" + command + " --help`");
}

/// Runs the action; what it throws is our own failure or the machine's.
ExitCode act(Context& context) {
  try {
    return context.action();
  } catch (const std::bad_alloc&) {
    return context.fail(ExitCode::error, "lodestone", "out of memory");
  } catch (const std::system_error& error) {
    return context.fail(ExitCode::error, "lodestone", error.what());
  } catch (const std::exception& error) {
    return context.fail(ExitCode::error, "lodestone", std::string("internal error: ") + error.what(),
                        "Please report this");
  }
}

void write_exit_record(Context& context, ExitCode code) {
  std::string message(name(code));
  for (const Failure& failure : context.failures()) {
    if (failure.code != code) continue;
    message = failure.text();
    break;
  }
  context.out.error_record(
      {{"type", "exit"}, {"code", static_cast<int>(code)}, {"error", name(code)}, {"message", message}});
}

void set_up(CLI::App& app, Context& context) {
  app.fallthrough();             // inherited: global flags are accepted after a command, too
  app.require_subcommand(0, 1);  // and once a command is named, a file may be called like another one
  app.set_version_flag("--version", version_line());
  app.get_formatter()->column_width(36);
  add_global_options(app, context);
  add_commands(app, context);
  lend_digit_flags(app, context);
}

constexpr const char* kName = "lodestone";
constexpr const char* kAbout =
    "Fetches content by magnet link through the DHT alone, serves as a DHT node, explores the DHT.";

/// Parses once more, for options alone: what the command would do with them is not done.
std::expected<Reread, Failure> reread(std::span<const char* const> args, const Environment& environment) {
  std::ostringstream nowhere;
  std::istringstream nothing;
  Context context(nowhere, nowhere, nothing, environment);
  CLI::App app(kAbout, kName);
  set_up(app, context);
  if (parse(app, context, args))
    return std::unexpected(context.failures().empty() ? Failure{} : context.failures().front());
  return Reread{std::move(context.global), settings_of(app)};
}

ExitCode run_in(Context& context, std::span<const char* const> args) {
  CLI::App app(kAbout, kName);
  set_up(app, context);
  if (const auto ended = parse(app, context, args)) return *ended;
  if (const auto failure = open_log(context.global)) return context.fail(*failure);
  context.settings = settings_of(app);
  context.reread = [args, &context] { return reread(args, context.environment); };
  return act(context);
}

}  // namespace

int run(std::span<const char* const> args, std::ostream& out, std::ostream& err, std::istream& in,
        const Environment& environment) {
  Context context(out, err, in, environment);
  ExitCode code = run_in(context, args);
  context.out.end_status();
  out.flush();
  if (!out && code == ExitCode::ok) code = context.fail(ExitCode::storage, "stdout", "the result could not be written");
  if (code != ExitCode::ok && context.out.json()) write_exit_record(context, code);
  return static_cast<int>(code);
}

}  // namespace lodestone::tools
