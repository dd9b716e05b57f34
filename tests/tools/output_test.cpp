// SPDX-License-Identifier: Apache-2.0
#include "tools/cli/output.hpp"

#include <algorithm>
#include <sstream>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

namespace lodestone::tools {
namespace {

struct Bench {
  explicit Bench(const Environment& environment = {}) : output(out, err, environment) {}
  std::ostringstream out, err;
  Output output;
};

Environment terminal() {
  Environment e;
  e.out_is_terminal = e.err_is_terminal = true;
  e.columns = [] { return std::size_t{20}; };
  return e;
}

TEST_CASE("results go to stdout, words to stderr, and neither has ANSI off a terminal") {
  Bench b;
  b.output.line("result");
  b.output.status("bar");
  b.output.note("hint");
  b.output.warn("careful");
  b.output.error("broken");
  CHECK(b.out.str() == "result\n");
  CHECK(b.err.str() == "hint\nwarning: careful\nerror: broken\n");
}

TEST_CASE("a status line is taken back before anything else is said") {
  Bench b(terminal());
  CHECK(b.output.progress() == ProgressMode::bar);
  b.output.status("a status that is longer than the terminal is wide");
  CHECK(b.err.str() == "\r\x1b[Ka status that is lo");
  b.output.line("x");
  CHECK(b.err.str().ends_with("lo\r\x1b[K"));
  b.output.end_status();
  CHECK(b.err.str().ends_with("lo\r\x1b[K"));  // once
}

TEST_CASE("a status line fits into a window that was made narrower while it was shown") {
  std::size_t width = 12;
  Environment e = terminal();
  e.columns = [&width] { return width; };
  Bench b(e);
  b.output.status("0123456789abcdef");
  CHECK(b.err.str() == "\r\x1b[K0123456789a");
  width = 5;
  b.output.status("0123456789abcdef");
  CHECK(b.err.str().ends_with("\r\x1b[K0123"));
  width = 1;
  b.output.status("0123456789abcdef");
  CHECK(b.err.str().ends_with("\r\x1b[K"));
}

TEST_CASE("NO_COLOR, TERM=dumb and --color") {
  CHECK(Bench(terminal()).output.paint_err(Style::red, "x") == "\x1b[31mx\x1b[0m");
  CHECK(Bench().output.paint_err(Style::red, "x") == "x");
  Environment no_color = terminal();
  no_color.variables["NO_COLOR"] = "1";
  CHECK(Bench(no_color).output.paint_err(Style::red, "x") == "x");
  CHECK(Bench(no_color).output.progress() == ProgressMode::bar);
  no_color.variables["NO_COLOR"] = "";
  CHECK(Bench(no_color).output.paint_err(Style::red, "x") != "x");
  Environment dumb = terminal();
  dumb.variables["TERM"] = "dumb";
  Bench b(dumb);
  CHECK(b.output.paint_out(Style::red, "x") == "x");
  CHECK(b.output.progress() == ProgressMode::line);
  b.output.status("nothing");
  CHECK(b.err.str().empty());
  Bench never(terminal());
  never.output.set_rules({.color = ColorMode::never});
  CHECK(never.output.paint_out(Style::red, "x") == "x");
  Bench always;
  always.output.set_rules({.color = ColorMode::always});
  CHECK(always.output.paint_out(Style::bold, "x") == "\x1b[1mx\x1b[0m");
}

TEST_CASE("how progress is shown") {
  Bench b;
  CHECK(b.output.progress() == ProgressMode::line);
  b.output.set_rules({.json = true});
  CHECK(b.output.progress() == ProgressMode::json);
  b.output.set_rules({.quiet = true});
  CHECK(b.output.progress() == ProgressMode::none);
  b.output.set_rules({.progress = ProgressMode::bar});
  CHECK(b.output.progress() == ProgressMode::line);  // no terminal, no bar
  b.output.set_rules({.json = true, .progress = ProgressMode::none});
  CHECK(b.output.progress() == ProgressMode::none);
}

TEST_CASE("Option -q keeps errors and results") {
  Bench b;
  b.output.set_rules({.quiet = true});
  b.output.note("hint");
  b.output.warn("careful");
  b.output.line("result");
  b.output.error("broken");
  CHECK(b.out.str() == "result\n");
  CHECK(b.err.str() == "error: broken\n");
}

TEST_CASE("records are lines; --progress none drops phase and progress") {
  Bench b;
  b.output.record({{"type", "progress"}, {"n", 1}});
  CHECK(b.out.str() == "{\"type\":\"progress\",\"n\":1}\n");
  b.output.set_rules({.json = true, .progress = ProgressMode::none});
  b.output.record({{"type", "phase"}});
  b.output.record({{"type", "progress"}});
  b.output.record({{"type", "done"}, {"path", "\xff\n"}});
  CHECK(b.out.str() == "{\"type\":\"progress\",\"n\":1}\n{\"type\":\"done\",\"path\":\"\xEF\xBF\xBD\\n\"}\n");
}

TEST_CASE("what strangers wrote cannot begin a line of its own") {
  Bench b(terminal());
  const std::string forged = "x\nerror: all is lost\ty\r\n";
  b.output.line(forged);
  CHECK(b.out.str() == "x error: all is lost\ty\xEF\xBF\xBD \n");
  b.output.status(forged);
  CHECK(b.err.str() == "\r\x1b[Kx error: all is los");
  b.output.status("a\tb");
  CHECK(b.err.str().ends_with("\r\x1b[Ka b"));
  b.output.note(forged);
  b.output.warn(forged);
  b.output.error(forged);
  b.output.side_result(forged);
  const std::string text = b.err.str();
  CHECK(std::count(text.begin(), text.end(), '\n') == 4);  // one for each
  CHECK(text.find("\nerror: all") == std::string::npos);
}

TEST_CASE("what strangers wrote cannot steer the terminal") {
  Bench b(terminal());
  b.output.line("\x1b]0;title\x07name");
  b.output.warn("\x1b[2J");
  CHECK(b.out.str() == "\xEF\xBF\xBD]0;title\xEF\xBF\xBDname\n");
  CHECK(b.err.str().find("[2J") != std::string::npos);
  CHECK(b.err.str().find("\x1b[2J") == std::string::npos);
}

}  // namespace
}  // namespace lodestone::tools
