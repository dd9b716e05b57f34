// SPDX-License-Identifier: Apache-2.0
#include "tools/cli/output.hpp"

#include <algorithm>
#include <ostream>

#include <nlohmann/json.hpp>

#include "magnet/text.hpp"

namespace lodestone::tools {
namespace {

using magnet::cut_to_width;

/// What fits on one line: a name, a comment or a path with a line break in it must not be able to say something in our
/// voice on a line of its own, nor make two lines of a status.
std::string one_line(std::string_view text) {
  std::string line = magnet::printable(text);
  std::replace(line.begin(), line.end(), '\n', ' ');
  return line;
}

std::string_view sequence(Style style) {
  switch (style) {
    case Style::bold: return "\x1b[1m";
    case Style::dim: return "\x1b[2m";
    case Style::red: return "\x1b[31m";
    case Style::green: return "\x1b[32m";
    case Style::yellow: return "\x1b[33m";
  }
  return "";
}

std::string paint(Style style, std::string_view text) {
  return std::string(sequence(style)) + std::string(text) + "\x1b[0m";
}

std::string dumped(const nlohmann::ordered_json& record) {
  return record.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace

Output::Output(std::ostream& out, std::ostream& err, const Environment& environment)
    : out_(out),
      err_(err),
      out_is_terminal_(environment.out_is_terminal),
      err_is_terminal_(environment.err_is_terminal),
      plain_(environment.variable("NO_COLOR").has_value()),
      dumb_(environment.variable("TERM") == "dumb"),
      columns_(environment.columns) {}

void Output::set_rules(const Rules& rules) { rules_ = rules; }

ProgressMode Output::progress() const {
  if (rules_.progress != ProgressMode::automatic) {
    // A bar is drawn with ANSI sequences: where there are none it would be a heap of half lines.
    const bool no_bar = rules_.progress == ProgressMode::bar && (!err_is_terminal_ || dumb_);
    return no_bar ? ProgressMode::line : rules_.progress;
  }
  if (rules_.json) return ProgressMode::json;
  if (rules_.quiet) return ProgressMode::none;
  return err_is_terminal_ && !dumb_ ? ProgressMode::bar : ProgressMode::line;
}

void Output::line(std::string_view text) { out() << one_line(text) << '\n'; }

void Output::record(const nlohmann::ordered_json& record) {
  if (rules_.progress == ProgressMode::none) {
    const auto type = record.find("type");
    if (type != record.end() && (*type == "phase" || *type == "progress")) return;
  }
  out() << dumped(record) << '\n' << std::flush;
}

std::ostream& Output::out() {
  end_status();
  return out_;
}

void Output::status(std::string_view text) {
  if (progress() != ProgressMode::bar) return;
  std::string clean = one_line(text);
  std::replace(clean.begin(), clean.end(), '\t', ' ');  // its width is the terminal's secret
  // One cell stays free: a full last column makes some terminals wrap.
  const std::size_t width = columns();
  const std::string_view shown = width == 0 ? std::string_view(clean) : cut_to_width(clean, width - 1);
  err_ << kEraseLine << shown << std::flush;
  status_shown_ = true;
}

void Output::end_status() {
  if (!status_shown_) return;
  err_ << kEraseLine << std::flush;
  status_shown_ = false;
}

void Output::note(std::string_view text) {
  if (rules_.quiet) return;
  end_status();
  err_ << one_line(text) << '\n' << std::flush;
}

void Output::warn(std::string_view text) {
  if (rules_.quiet) return;
  end_status();
  err_ << paint_err(Style::yellow, "warning:") << ' ' << one_line(text) << '\n' << std::flush;
}

void Output::error(std::string_view text) {
  end_status();
  err_ << paint_err(Style::red, "error:") << ' ' << one_line(text) << '\n' << std::flush;
}

void Output::side_result(std::string_view text) {
  end_status();
  err_ << one_line(text) << '\n' << std::flush;
}

void Output::error_record(const nlohmann::ordered_json& record) {
  end_status();
  err_ << dumped(record) << '\n' << std::flush;
}

bool Output::color_of(bool is_terminal) const {
  if (rules_.color != ColorMode::automatic) return rules_.color == ColorMode::always;
  return is_terminal && !dumb_ && !plain_;
}

std::string Output::paint_out(Style style, std::string_view text) const {
  return color_of(out_is_terminal_) ? paint(style, text) : std::string(text);
}

std::string Output::paint_err(Style style, std::string_view text) const {
  return color_of(err_is_terminal_) ? paint(style, text) : std::string(text);
}

}  // namespace lodestone::tools
