// SPDX-License-Identifier: Apache-2.0
// `bdecode [FILE|-]`: bencode as JSON. The document is written while the tokens are walked, without recursion and
// without a second tree in memory: the input may hold millions of values.
#include <memory>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tools/cli/context.hpp"
#include "tools/cli/target.hpp"
#include "wire/base/bencode.hpp"

namespace lodestone::tools {
namespace {

using wire::bencode::Kind;
using wire::bencode::View;

constexpr std::uint64_t kMaxInput = 512u << 20;

std::string quoted(std::string_view text) { return nlohmann::json(text).dump(); }

/// Keys that JSON cannot carry, or would merge.
bool needs_pairs(const View& dict) {
  bool needed = false;
  std::set<std::string_view> keys;
  dict.for_each_entry([&](std::string_view key, const View&) {
    needed = needed || !wire::is_utf8(wire::as_bytes(key)) || !keys.insert(key).second;
  });
  return needed;
}

class JsonWriter {
 public:
  JsonWriter(std::ostream& out, bool pretty) : out_(out), pretty_(pretty) {}

  void write(const View& root) {
    value(root);
    while (!levels_.empty()) step();
    out_ << '\n';
  }

 private:
  enum class Form : std::uint8_t { list, object, pairs };
  struct Level {
    View::Iterator at, end;
    Form form;
    bool empty = true;
  };

  /// Writes a scalar, or opens a container whose rest step() writes.
  void value(const View& view) {
    switch (view.kind()) {
      case Kind::integer: out_ << *view.integer(); return;
      case Kind::string: string(*view.string()); return;
      case Kind::list: open(view, Form::list, "["); return;
      case Kind::dict: break;
    }
    if (needs_pairs(view))
      open(view, Form::pairs, "{\"pairs\":[");
    else
      open(view, Form::object, "{");
  }

  void string(wire::Bytes bytes) {
    if (wire::is_utf8(bytes))
      out_ << quoted(wire::as_text(bytes));
    else
      out_ << "{\"hex\":\"" << wire::to_hex(bytes) << "\"}";
  }

  void open(const View& view, Form form, std::string_view opening) {
    out_ << opening;
    levels_.push_back({view.begin(), view.end(), form});
  }

  /// The next child of the innermost container, or its end. A pair is closed when its value is complete, which is when
  /// its container is looked at again.
  void step() {
    Level& level = levels_.back();
    if (level.form == Form::pairs && !level.empty) out_ << ']';
    if (level.at == level.end) return close();
    if (!level.empty) out_ << ',';
    level.empty = false;
    line_break(levels_.size());
    if (level.form == Form::pairs) out_ << '[';
    if (level.form != Form::list) {
      string(*(*level.at).string());
      ++level.at;
      out_ << (level.form == Form::pairs ? "," : ":") << (pretty_ ? " " : "");
    }
    const View child = *level.at;
    ++level.at;
    value(child);  // may add a level: `level` is not used after this
  }

  void close() {
    const Level level = levels_.back();
    levels_.pop_back();
    if (!level.empty) line_break(levels_.size());
    out_ << (level.form == Form::list ? "]" : level.form == Form::object ? "}" : "]}");
  }

  void line_break(std::size_t depth) {
    if (pretty_) out_ << '\n' << std::string(depth * 2, ' ');
  }

  std::ostream& out_;
  bool pretty_;
  std::vector<Level> levels_;
};

ExitCode bdecode(const std::string& path, bool strict, Context& context) {
  const auto input = read_input(path, context, true, kMaxInput);
  if (!input) return context.fail(input.error());
  auto limits = wire::bencode::Limits::file();
  limits.strict = strict;
  limits.allow_trailing = !strict;
  wire::bencode::Document document;
  const std::string subject = path == "-" ? "stdin" : path;
  const auto root = document.parse(*input, limits);
  if (!root) {
    const std::string cause = fmt::format("{} at byte {}", describe(root.error().error), root.error().offset);
    return context.fail(ExitCode::bad_input, subject, cause);
  }
  JsonWriter(context.out.out(), !context.out.json()).write(*root);
  if (document.consumed() != input->size())
    context.out.warn(fmt::format("{}: the value ends at byte {}, {} more bytes are ignored", subject,
                                 document.consumed(), input->size() - document.consumed()));
  return ExitCode::ok;
}

}  // namespace

void add_bdecode(CLI::App& app, Context& context) {
  struct Options {
    std::string path = "-";
    bool strict = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("bdecode", "Prints bencode as JSON");
  command->add_option("file", options->path, "A file, '-' for stdin (default)")->type_name("FILE|-");
  command->add_flag("--strict", options->strict,
                    "Demand canonical form: sorted unique keys, no leading zeros, no rest");
  on_run(*command, context, [options, &context] { return bdecode(options->path, options->strict, context); });
}

}  // namespace lodestone::tools
