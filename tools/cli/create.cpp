// SPDX-License-Identifier: Apache-2.0
// `create PATH`: a torrent file out of a file or a directory. Same input, same bytes.
#include "magnet/create.hpp"

#include <bit>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <memory>
#include <ostream>
#include <string>
#include <system_error>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "magnet/metainfo.hpp"
#include "tools/cli/context.hpp"
#include "tools/cli/documents.hpp"
#include "tools/cli/options.hpp"
#include "tools/cli/save_file.hpp"
#include "tools/cli/signal_watch.hpp"
#include "tools/cli/source_tree.hpp"
#include "tools/cli/units.hpp"
#include "wire/base/geometry.hpp"

namespace lodestone::tools {
namespace {

namespace fs = std::filesystem;

struct CreateOptions {
  std::string path;
  std::string output;  // empty: NAME.torrent here; "-": stdout
  std::uint64_t piece_length = 0;
  bool is_private = false;
  bool no_date = false;
  std::string comment;
  std::vector<magnet::HostPort> nodes;
  std::vector<std::string> webseeds;
  std::vector<std::string> trackers;
};

std::expected<std::uint64_t, std::string> parse_piece_length(std::string_view text) {
  const auto size = parse_size(text);
  if (!size) return size;
  if (*size < 16 * 1024 || *size > wire::Geometry::kMaxPieceLength || !std::has_single_bit(*size))
    return std::unexpected("'" + std::string(text) + "' is no power of two from 16 KiB to 512 MiB");
  return size;
}

std::expected<magnet::HostPort, std::string> parse_node(std::string_view text) {
  if (auto node = magnet::HostPort::parse(text)) return *node;
  return std::unexpected("'" + std::string(text) + "' is no HOST:PORT");
}

/// Where the torrent goes; empty: stdout.
fs::path output_path(const CreateOptions& options, const std::string& name) {
  if (options.output == "-") return {};
  const std::string file = name + ".torrent";
  if (options.output.empty()) return file;
  std::error_code ignored;
  return fs::is_directory(options.output, ignored) ? fs::path(options.output) / file : fs::path(options.output);
}

std::expected<std::optional<std::int64_t>, Failure> creation_date(const CreateOptions& options,
                                                                  const Context& context) {
  if (options.no_date) return std::nullopt;
  if (const auto epoch = context.environment.variable("SOURCE_DATE_EPOCH")) {
    std::int64_t seconds = 0;
    const auto [at, problem] = std::from_chars(epoch->data(), epoch->data() + epoch->size(), seconds);
    if (problem != std::errc{} || at != epoch->data() + epoch->size() || seconds < 0)
      return std::unexpected(
          Failure{ExitCode::usage, "SOURCE_DATE_EPOCH", "'" + *epoch + "' is no number of seconds", ""});
    return seconds;
  }
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// The finished torrent, by way of the same parser that everybody's torrents go through.
std::expected<wire::ByteVector, Failure> build(const CreateOptions& options, const SourceTree& tree, Context& context) {
  const auto created = creation_date(options, context);
  if (!created) return std::unexpected(created.error());
  SignalWatch signals;
  auto spec = spec_of(tree, options.piece_length, context, [&signals] { return !signals.caught(); });
  if (!spec) {
    if (const auto code = signals.caught()) spec.error().code = *code;
    return std::unexpected(std::move(spec.error()));
  }
  spec->is_private = options.is_private;
  spec->created = *created;
  spec->created_by = "Lodestone 0.1.0";
  if (!options.comment.empty()) spec->comment = options.comment;
  spec->nodes = options.nodes;
  spec->webseeds = options.webseeds;
  for (const std::string& tracker : options.trackers) spec->trackers.push_back({tracker});
  auto bytes = magnet::encode_torrent(*spec);
  if (!bytes) return std::unexpected(Failure{ExitCode::storage, options.path, bytes.error(), ""});
  return *std::move(bytes);
}

ExitCode create(const CreateOptions& options, Context& context) {
  // The output may lie in the tree; its name is known only when the tree's is.
  std::error_code ignored;
  const fs::path given = fs::absolute(options.path, ignored).lexically_normal();
  const std::string name = (given.has_filename() ? given : given.parent_path()).filename().string();
  const fs::path output = output_path(options, name);
  const auto tree = scan_tree(options.path, context, output);
  if (!tree) return context.fail(tree.error());
  const auto bytes = build(options, *tree, context);
  if (!bytes) return context.fail(bytes.error());
  const auto torrent = magnet::parse_torrent(*bytes);
  if (!torrent) return context.fail(ExitCode::error, options.path, "cannot be read back: " + torrent.error().message);

  const std::string magnet = torrent->magnet().to_uri();
  auto document = torrent_document(*torrent);
  document["path"] = output.empty() ? "-" : output.string();
  if (output.empty()) {
    context.out.out().write(reinterpret_cast<const char*>(bytes->data()), static_cast<std::streamsize>(bytes->size()));
    // stdout is taken; -q silences hints, and this is a result.
    if (context.out.json())
      context.out.error_record(document);
    else
      context.out.side_result(magnet);
    return ExitCode::ok;
  }
  if (const std::error_code error = save_file(output.string(), *bytes))
    return context.fail(ExitCode::storage, output.string(), error.message(), "Choose another place with -o");
  if (context.out.json()) {
    context.out.record(document);
  } else {
    context.out.line(magnet);
    context.out.note("written to " + output.string());
  }
  return ExitCode::ok;
}

}  // namespace

void add_create(CLI::App& app, Context& context) {
  auto options = std::make_shared<CreateOptions>();
  CLI::App* command = app.add_subcommand("create", "Makes a torrent file of a file or a directory, prints its magnet");
  command->add_option("path", options->path, "A file or a directory")->required()->type_name("PATH");
  command->add_option("-o,--output", options->output, "Where it goes, '-' for stdout (default: NAME.torrent)")
      ->type_name("FILE|-");
  add_parsed(*command, "--piece-length", options->piece_length, parse_piece_length, "A power of two (default: by size)")
      ->type_name("SIZE");
  command->add_flag("--private", options->is_private, "No DHT and no peer exchange for this torrent");
  add_parsed_list(*command, "--node", options->nodes, parse_node, "A DHT node to start from (repeatable)")
      ->type_name("HOST:PORT");
  command->add_option("--comment", options->comment, "A remark")->type_name("TEXT");
  command->add_option("--webseed", options->webseeds, "An HTTP source of the content (repeatable)")
      ->allow_extra_args(false)
      ->type_name("URL");
  command->add_option("--tracker", options->trackers, "A tracker (repeatable; none by default)")
      ->allow_extra_args(false)
      ->type_name("URL");
  command->add_flag("--no-date", options->no_date, "Leave the creation date out");
  on_run(*command, context, [options, &context] { return create(*options, context); });
}

}  // namespace lodestone::tools
