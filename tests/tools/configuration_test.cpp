// SPDX-License-Identifier: Apache-2.0
// Where the value of an option comes from: flag, environment, file, default.
#include "tools/cli/configuration.hpp"

#include <CLI/CLI.hpp>
#include <catch2/catch.hpp>

#include "tests/tools/cli_bench.hpp"
#include "tools/cli/commands.hpp"

namespace lodestone::tools {
namespace {

Environment with(const std::map<std::string, std::string, std::less<>>& variables) {
  Environment environment;
  environment.variables = variables;
  return environment;
}

/// A command line that has been parsed and configured, but not run.
struct Configured {
  std::ostringstream out, err;
  std::istringstream in;
  Context context;
  CLI::App app{"", "lodestone"};
  std::optional<Failure> failure;

  explicit Configured(const std::string& line, const Environment& environment = {})
      : context(out, err, in, environment) {
    app.fallthrough();
    add_global_options(app, context);
    add_commands(app, context);
    lend_digit_flags(app, context);
    app.parse(line);
    failure = configure(app, context);
  }
  [[nodiscard]] std::string bootstrap() const {
    std::string names;
    for (const auto& one : context.global.bootstrap) names += one.text() + " ";
    return names;
  }
};

TEST_CASE("the flag comes before the environment, that before the file, that before the default") {
  const TemporaryDirectory dir;
  const std::string file = dir.write("a.toml", "log-level = 'info'\nstate-dir = '/file'\n[node]\nrole = 'client'\n");
  const auto level = [](const Configured& c) { return c.context.global.log_level; };
  const std::string node = "node --config " + file;

  CHECK(level(Configured("node")) == LogLevel::warn);
  CHECK(level(Configured(node)) == LogLevel::info);
  const Environment environment = with({{"LODESTONE_LOG_LEVEL", "debug"}, {"LODESTONE_NODE_ROLE", "bootstrap"}});
  CHECK(level(Configured(node, environment)) == LogLevel::debug);
  CHECK(level(Configured(node + " --log-level error", environment)) == LogLevel::error);

  CHECK(settings_of(Configured(node).app).at("node.role") == std::vector<std::string>{"client"});
  CHECK(settings_of(Configured(node, environment).app).at("node.role") == std::vector<std::string>{"bootstrap"});
  CHECK(settings_of(Configured(node + " --role node", environment).app).at("node.role") ==
        std::vector<std::string>{"node"});
  CHECK(Configured(node, environment).context.global.state_dir == "/file");
}

TEST_CASE("the file may be named by the environment, and by nothing else") {
  const TemporaryDirectory dir;
  const std::string file = dir.write("a.toml", "private-net = true\n");
  CHECK(Configured("node", with({{"LODESTONE_CONFIG", file}})).context.global.private_net);
  const std::string other = dir.write("b.toml", "");
  CHECK(!Configured("node --config " + other, with({{"LODESTONE_CONFIG", file}})).context.global.private_net);
}

TEST_CASE("a list of a higher layer replaces that of a lower one") {
  const TemporaryDirectory dir;
  const std::string file = dir.write("a.toml", "bootstrap = ['a:1', 'b:2']\nlisten = '127.0.0.1:1'\n");
  CHECK(Configured("node --config " + file).bootstrap() == "a:1 b:2 ");
  CHECK(Configured("node --config " + file).context.global.listen.size() == 1);
  const Environment environment = with({{"LODESTONE_BOOTSTRAP", "c:3, d:4"}});
  CHECK(Configured("node --config " + file, environment).bootstrap() == "c:3 d:4 ");
  CHECK(Configured("node --bootstrap e:5 --config " + file, environment).bootstrap() == "e:5 ");
}

TEST_CASE("options that decide the same thing give way together") {
  const TemporaryDirectory dir;
  const std::string level = dir.write("a.toml", "log-level = 'error'\n");
  const Configured verbose("node -v --config " + level);
  CHECK(verbose.app.count("--log-level") == 0);  // the frame goes by -v then
  CHECK(verbose.context.global.verbose == 1);
  const std::string names = dir.write("b.toml", "bootstrap = ['a:1']\n");
  CHECK(Configured("node --no-bootstrap --config " + names).bootstrap().empty());
  const std::string none = dir.write("c.toml", "no-bootstrap = true\n");
  CHECK(!Configured("node --bootstrap a:1 --config " + none).context.global.no_bootstrap);
  const std::string both = dir.write("d.toml", "no-bootstrap = true\nbootstrap = ['a:1']\n");
  const Configured together("node --config " + both);
  CHECK(together.context.global.no_bootstrap);
  CHECK(together.bootstrap() == "a:1 ");
}

TEST_CASE("a flag can be turned off by a layer above") {
  const TemporaryDirectory dir;
  const std::string file = dir.write("a.toml", "json = true\n");
  CHECK(Configured("node --config " + file).context.global.json);
  CHECK(!Configured("node --config " + file, with({{"LODESTONE_JSON", "false"}})).context.global.json);
  CHECK(!Configured("node --json=false --config " + file).context.global.json);
  CHECK(Configured("node", with({{"LODESTONE_JSON", "1"}})).context.global.json);
}

TEST_CASE("a flag with an optional value is true or a text") {
  const TemporaryDirectory dir;
  const auto seed_of = [&dir](const std::string& text) {
    const std::string file = dir.write("a.toml", "[get]\nseed = " + text + "\n");
    const Settings settings = settings_of(Configured("get " + std::string(40, 'a') + " --config " + file).app);
    return settings.contains("get.seed") ? settings.at("get.seed").front() : "";
  };
  CHECK(seed_of("false").empty());
  CHECK(!seed_of("true").empty());
  CHECK(seed_of("'ratio:2'") == "ratio:2");
}

TEST_CASE("the settings of other commands do not touch this one, but are checked") {
  const TemporaryDirectory dir;
  const std::string good = dir.write("a.toml", "[node]\nrole = 'client'\n[get]\nsequential = true\n[dht.ping]\n");
  CHECK(settings_of(Configured("get " + std::string(40, 'a') + " --config " + good).app).contains("get.sequential"));
  CHECK(!settings_of(Configured("node --config " + good).app).contains("get.sequential"));
  const std::string bad = dir.write("b.toml", "[get]\nsequentail = true\n");
  REQUIRE(Configured("node --config " + bad).failure);
}

TEST_CASE("a bad setting is exit 2 and names the setting, the file and the line") {
  const TemporaryDirectory dir;
  struct Case {
    std::string text;
    int line;
    std::string says;
  };
  const std::vector<Case> cases = {
      {"log-level = 'loud'\n", 1, "'loud'"},
      {"\nlog-levle = 'info'\n", 2, "'log-levle'"},
      {"log-level = true\n", 1, "log-level"},
      {"log-level = ['info', 'warn']\n", 1, "log-level"},
      {"json = 'yes'\n", 1, "json"},
      {"json = 1\n", 1, "json"},
      {"state-dir = 5\n", 1, "state-dir"},
      {"listen = ['127.0.0.1:1', 'here']\n", 1, "'here'"},
      {"[node]\nrole = 'king'\n", 2, "'king'"},
      {"[node]\nring-size = 5\n", 2, "ring-size"},
      {"[node]\nring-size = 'many'\n", 2, "ring-size"},
      {"[node]\nlog-level = 'info'\n", 2, "top of the file"},
      {"[nodes]\n", 1, "[nodes]"},
      {"[dht.pong]\n", 1, "[dht.pong]"},
      {"config = 'b.toml'\n", 1, "'config'"},
      {"help = true\n", 1, "'help'"},
      {"a = \n", 1, "no TOML"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.text);
    const std::string file = dir.write("a.toml", c.text);
    const Ran ran = run_cli({"node", "--config", file});
    CHECK(ran.code == 2);
    CHECK(ran.err.starts_with("error: " + file + ":" + std::to_string(c.line) + ": "));
    CHECK(ran.err.find(c.says) != std::string::npos);
    CHECK(ran.out.empty());
  }
  const Ran missing = run_cli({"node", "--config", dir.file("none.toml")});
  CHECK(missing.code == 2);
  CHECK(missing.err.find("none.toml: No such file") != std::string::npos);
}

TEST_CASE("a bad variable is exit 2 and named") {
  for (const auto& [name, value] : std::map<std::string, std::string>{{"LODESTONE_LOG_LEVEL", "loud"},
                                                                      {"LODESTONE_NODE_RING_SIZE", "5"},
                                                                      {"LODESTONE_JSON", "perhaps"},
                                                                      {"LODESTONE_LISTEN", "127.0.0.1:1,here"}}) {
    CAPTURE(name);
    const Ran ran = run_cli({"node"}, "", with({{name, value}}));
    CHECK(ran.code == 2);
    CHECK(ran.err.starts_with("error: " + name + ": "));
  }
  // Variables of other commands, and those that mean nothing here.
  CHECK(run_cli({"magnet", "parse", "x"}, "", with({{"LODESTONE_NODE_ROLE", "king"}, {"LODESTONE_BIN", "x"}})).code ==
        11);
}

TEST_CASE("the state directory of a systemd service is the default") {
  const Environment service = with({{"STATE_DIRECTORY", "/var/lib/lodestone:/var/lib/other"}, {"HOME", "/root"}});
  const Ran ran = run_cli({"dht", "table"}, "", service);
  CHECK(ran.err.find("/var/lib/lodestone") != std::string::npos);
  CHECK(ran.err.find("other") == std::string::npos);
}

}  // namespace
}  // namespace lodestone::tools
