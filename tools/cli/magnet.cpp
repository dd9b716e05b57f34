// SPDX-License-Identifier: Apache-2.0
// `magnet parse URI` and `magnet make FILE.torrent`.
#include <memory>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "magnet/uri.hpp"
#include "tools/cli/context.hpp"
#include "tools/cli/documents.hpp"
#include "tools/cli/target.hpp"

namespace lodestone::tools {
namespace {

ExitCode parse(const std::string& text, Context& context) {
  const auto uri = magnet::parse_magnet(text);
  if (!uri)
    return context.fail(ExitCode::bad_input, "magnet",
                        fmt::format("{} at byte {}", uri.error().message, uri.error().offset));
  if (context.out.json())
    context.out.record(magnet_document(*uri));
  else
    print_magnet(*uri, context.out);
  return ExitCode::ok;
}

ExitCode make(const std::string& path, Context& context) {
  const auto target = read_torrent(path, context, true);
  if (!target) return context.fail(target.error());
  const std::string uri = target->uri.to_uri();
  if (!context.out.json()) {
    context.out.line(uri);
    return ExitCode::ok;
  }
  auto document = magnet_document(target->uri);
  document["magnet"] = uri;
  context.out.record(document);
  return ExitCode::ok;
}

}  // namespace

void add_magnet(CLI::App& app, Context& context) {
  auto text = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("magnet", "Takes magnet links apart and makes them");
  command->require_subcommand(0, 1);
  CLI::App* parser = command->add_subcommand("parse", "What a magnet link says");
  parser->add_option("uri", *text, "The link")->required()->type_name("URI");
  on_run(*parser, context, [text, &context] { return parse(*text, context); });
  CLI::App* maker = command->add_subcommand("make", "The magnet link of a torrent file");
  maker->add_option("file", *text, "A .torrent file, '-' for stdin")->required()->type_name("FILE.torrent");
  on_run(*maker, context, [text, &context] { return make(*text, context); });
}

}  // namespace lodestone::tools
