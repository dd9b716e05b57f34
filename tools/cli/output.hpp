// SPDX-License-Identifier: Apache-2.0
// The rules for the two streams, in one place: stdout is the result (records with --json), stderr is everything said to
// a person: warnings, hints, progress. No ANSI sequence reaches a stream that is no terminal, NO_COLOR and TERM=dumb
// are honoured (an explicit --color always overrides all three, as with git), and a status line is taken back before
// anything else is written over it. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "tools/cli/environment.hpp"

namespace lodestone::tools {

enum class ProgressMode : std::uint8_t { automatic, bar, line, json, none };
enum class ColorMode : std::uint8_t { automatic, always, never };
enum class Style : std::uint8_t { bold, dim, red, green, yellow };

class Output {
 public:
  static constexpr std::string_view kEraseLine = "\r\x1b[K";

  struct Rules {
    bool json = false;
    bool quiet = false;
    ProgressMode progress = ProgressMode::automatic;
    ColorMode color = ColorMode::automatic;
  };

  Output(std::ostream& out, std::ostream& err, const Environment& environment);
  void set_rules(const Rules& rules);

  [[nodiscard]] bool json() const { return rules_.json; }
  [[nodiscard]] bool quiet() const { return rules_.quiet; }
  /// Never `automatic`: json with --json, none with -q, bar on a terminal that can do it, else line.
  [[nodiscard]] ProgressMode progress() const;
  [[nodiscard]] std::size_t columns() const { return columns_(); }

  // --- stdout ---
  /// One line of result. The text may hold what strangers wrote: it passes through magnet::printable(), and line breaks
  /// in it become spaces, as in everything below that is not bytes or a record.
  void line(std::string_view text);
  /// One record as one line, at once. `phase` and `progress` records are dropped with --progress none. Text that is no
  /// UTF-8 is mended, not refused.
  void record(const nlohmann::ordered_json& record);
  /// For bytes that are the result (`-o -`, documents). Ends a status line first.
  [[nodiscard]] std::ostream& out();

  // --- stderr ---
  /// Replaces the status line (bar mode only; elsewhere nothing). Cut to the terminal's width.
  void status(std::string_view text);
  void end_status();
  /// A hint or a line of progress; not with -q.
  void note(std::string_view text);
  /// "warning: ..."; not with -q.
  void warn(std::string_view text);
  /// "error: ..."; always.
  void error(std::string_view text);
  /// A line of result for stderr, because stdout has bytes (`create -o -`); with -q too.
  void side_result(std::string_view text);
  /// A record that cannot go to stdout: `exit`, `perf`, and the document of `create -o -`, where stdout has bytes.
  void error_record(const nlohmann::ordered_json& record);

  /// Wrapped in ANSI where the stream has it.
  [[nodiscard]] std::string paint_out(Style style, std::string_view text) const;
  [[nodiscard]] std::string paint_err(Style style, std::string_view text) const;

 private:
  [[nodiscard]] bool color_of(bool is_terminal) const;

  std::ostream& out_;
  std::ostream& err_;
  Rules rules_;
  bool out_is_terminal_;
  bool err_is_terminal_;
  bool plain_;  // NO_COLOR
  bool dumb_;   // TERM=dumb
  std::function<std::size_t()> columns_;
  bool status_shown_ = false;
};

}  // namespace lodestone::tools
