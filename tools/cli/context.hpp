// SPDX-License-Identifier: Apache-2.0
// What every command is handed: the global options, the two streams under their rules, and the one way to fail.
// A command is a file tools/cli/<name>.cpp with `void add_<name>(CLI::App&, Context&)`, one line in commands.cpp:
//
//   void add_show(CLI::App& app, Context& context) {
//     auto options = std::make_shared<ShowOptions>();
//     CLI::App* command = app.add_subcommand("show", "What a torrent or magnet says");
//     command->add_option("FILE", options->file, "...")->required();
//     on_run(*command, context, [options, &context] { return show(*options, context); });
//   }
//
// The action runs after the whole command line has been accepted; global flags are accepted before and after the name.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <iosfwd>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "magnet/uri.hpp"
#include "tools/cli/environment.hpp"
#include "tools/cli/exit_code.hpp"
#include "tools/cli/output.hpp"
#include "wire/base/endpoint.hpp"
#include "wire/base/time.hpp"

namespace CLI {
class App;
}

namespace lodestone::tools {

struct ListenOption {
  wire::Address address;
  std::optional<std::uint16_t> port;  // given: taken means exit 5
};

enum class LogLevel : std::uint8_t { trace, debug, info, warn, error, off };  // spdlog's order without `critical`
enum class LogFormat : std::uint8_t { text, json };

struct GlobalOptions {
  std::vector<ListenOption> listen;         // --listen ADDR[:PORT]; empty: the command's default
  std::vector<magnet::HostPort> bootstrap;  // --bootstrap: replaces the built-in routers
  bool no_bootstrap = false;
  std::vector<magnet::HostPort> peers;  // --peer
  std::string state_dir;  // --state-dir or the default; empty only where there is no home directory either
  bool json = false;
  bool quiet = false;                   // -q
  int verbose = 0;                      // -v, counted
  LogLevel log_level = LogLevel::warn;  // --log-level, else by -q and -v
  std::string log_file;                 // --log-file; empty: stderr
  LogFormat log_format = LogFormat::text;
  std::optional<wire::Duration> timeout;
  ProgressMode progress = ProgressMode::automatic;
  ColorMode color = ColorMode::automatic;
  bool v4_only = false;  // -4
  bool v6_only = false;  // -6
  bool private_net = false;
  std::string config;  // --config; empty: none, or the one that LODESTONE_CONFIG names
  [[nodiscard]] bool use_v4() const { return !v6_only; }
  [[nodiscard]] bool use_v6() const { return !v4_only; }
};

/// `error: <subject>: <cause>. <next step>`. Cause and next step come without a final stop; an empty next step is left
/// out.
struct Failure {
  ExitCode code = ExitCode::error;
  std::string subject;
  std::string cause;
  std::string next_step;
  [[nodiscard]] std::string text() const;  // without "error: "
};

/// Option by option, by its long name: the texts it has, from wherever. Those at their default are not among them.
using Settings = std::map<std::string, std::vector<std::string>>;

/// The command line, the environment and the configuration file, read anew.
struct Reread {
  GlobalOptions global;
  Settings settings;
};

class Context {
 public:
  Context(std::ostream& out_stream, std::ostream& err_stream, std::istream& in_stream, const Environment& env)
      : environment(env), out(out_stream, err_stream, env), in(in_stream) {}
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  GlobalOptions global;
  Environment environment;
  Output out;
  std::istream& in;
  std::function<ExitCode()> action;  // set by on_run()
  Settings settings;                 // what the command was started with
  /// For who runs for long: what it would be started with now. Changes nothing; a problem is told, not printed.
  std::function<std::expected<Reread, Failure>()> reread;

  /// Prints the failure and returns its code: `return context.fail(ExitCode::storage, path, "disk full", "...")`. With
  /// --json the `exit` record is written by the frame when the command has returned, so that it is the last line; its
  /// message is that of the first failure with the code that is returned.
  ExitCode fail(const Failure& failure);
  ExitCode fail(ExitCode code, std::string subject, std::string cause, std::string next_step = {});

  [[nodiscard]] const std::vector<Failure>& failures() const { return failures_; }

 private:
  std::vector<Failure> failures_;
};

/// Makes `action` the thing to do when `command` was named.
void on_run(CLI::App& command, Context& context, std::function<ExitCode()> action);

}  // namespace lodestone::tools
