// SPDX-License-Identifier: Apache-2.0
// `show FILE|MAGNET`: what a torrent or a link says.
#include <memory>
#include <string>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "tools/cli/context.hpp"
#include "tools/cli/documents.hpp"
#include "tools/cli/target.hpp"

namespace lodestone::tools {
namespace {

ExitCode show(const std::string& what, Context& context) {
  const auto target = read_target(what, context, true);
  if (!target) return context.fail(target.error());
  if (target->torrent) {
    if (context.out.json())
      context.out.record(torrent_document(*target->torrent));
    else
      print_torrent(*target->torrent, context.out);
  } else {
    if (context.out.json())
      context.out.record(magnet_document(target->uri));
    else
      print_magnet(target->uri, context.out);
  }
  return ExitCode::ok;
}

}  // namespace

void add_show(CLI::App& app, Context& context) {
  auto what = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("show", "What a torrent file or a magnet link says");
  command->add_option("target", *what, "A .torrent file, '-' for stdin, a magnet link or an info-hash")
      ->required()
      ->type_name("FILE|MAGNET");
  on_run(*command, context, [what, &context] { return show(*what, context); });
}

}  // namespace lodestone::tools
