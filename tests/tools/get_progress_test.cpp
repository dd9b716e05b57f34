// SPDX-License-Identifier: Apache-2.0
#include "tools/cli/get_progress.hpp"

#include <algorithm>
#include <sstream>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

namespace lodestone::tools {
namespace {

struct Bench {
  explicit Bench(Output::Rules rules, const Environment& environment = {})
      : output(out, err, environment), progress(output) {
    output.set_rules(rules);
    shown.view.name = "x";
    shown.view.phase = TransferPhase::download;
    shown.view.facts.status.bytes_total = 10;
    shown.view.facts.status.connected = 1;
  }
  void tick(double from, double to) {
    for (double now = from; now < to; now += 0.2) progress.tick({&shown, 1}, now);
  }
  [[nodiscard]] long lines(const std::ostringstream& stream) const {
    const std::string text = stream.str();
    return std::count(text.begin(), text.end(), '\n');
  }
  std::ostringstream out, err;
  Output output;
  GetProgress progress;
  GetProgress::Shown shown;
};

TEST_CASE("Option --json has a progress record a second, nothing else") {
  Bench b({.json = true});
  b.tick(0, 9.95);
  CHECK(b.lines(b.out) == 10);
  CHECK(b.err.str().empty());
  std::istringstream lines(b.out.str());
  for (std::string line; std::getline(lines, line);) CHECK(nlohmann::json::parse(line)["type"] == "progress");
}

TEST_CASE("Option --progress none leaves stalls") {
  Bench b({.json = true, .progress = ProgressMode::none});
  b.tick(0, 5);
  b.progress.phases(b.shown, {{TransferPhase::dht, 0, 0, 0, 0}});
  CHECK(b.out.str().empty());
  b.progress.stall(b.shown, "no-peers", "d", "h");
  CHECK(nlohmann::json::parse(b.out.str())["reason"] == "no-peers");
}

TEST_CASE("without a terminal there is a line each ten seconds and on a change of phase") {
  Bench b({});
  b.tick(0, 35);
  CHECK(b.lines(b.err) == 3);
  b.progress.phases(b.shown, {{TransferPhase::open, 0, 0, 0, 0}, {TransferPhase::download, 0, 0, 0, 0}});
  CHECK(b.lines(b.err) == 4);
  CHECK(b.out.str().empty());
}

TEST_CASE("on a terminal the bar is drawn each time, and a stall is said above it") {
  Environment terminal;
  terminal.out_is_terminal = terminal.err_is_terminal = true;
  Bench b({}, terminal);
  b.tick(0, 1.1);
  const std::string text = b.err.str();
  CHECK(std::count(text.begin(), text.end(), '\r') == 6);
  CHECK(b.lines(b.err) == 0);
  b.progress.stall(b.shown, "no-peers", "nobody is there", "wait");
  CHECK(b.err.str().ends_with("\r\x1b[Kx: nothing moves: nobody is there; wait\n"));
}

TEST_CASE("Option -q is quiet") {
  Bench b({.quiet = true});
  b.tick(0, 35);
  b.progress.phases(b.shown, {{TransferPhase::download, 0, 0, 0, 0}});
  b.progress.stall(b.shown, "no-peers", "d", "h");
  CHECK(b.err.str().empty());
  CHECK(b.out.str().empty());
}

}  // namespace
}  // namespace lodestone::tools
