// SPDX-License-Identifier: Apache-2.0
// `dht table`: the routing table that the state directory keeps: of a running node (who saves it at least every five
// minutes) as of one that ran. Reads a file; asks nobody, locks nothing (D6).
#include <algorithm>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "node/net/clock.hpp"
#include "node/ops/dht_state.hpp"
#include "node/ops/state_dir.hpp"
#include "tools/cli/dht_records.hpp"
#include "tools/cli/dht_text.hpp"
#include "tools/cli/session_options.hpp"

namespace lodestone::tools {
namespace {

ExitCode table(Context& context) {
  set_up_log(context);
  const GlobalOptions& global = context.global;
  if (global.state_dir.empty())
    return context.fail(ExitCode::not_found, "dht table", "there is no home directory to look in",
                        "Name a folder with --state-dir");
  const auto state = node::StateDir::at(global.state_dir);
  std::vector<TableView> tables;
  for (const wire::Family family : {wire::Family::v4, wire::Family::v6}) {
    if (!(family == wire::Family::v4 ? global.use_v4() : global.use_v6())) continue;
    const dht::Snapshot saved = node::load_dht(state.dht_snapshot(family, global.private_net), family);
    if (!saved.id.is_zero() || !saved.contacts.empty()) tables.push_back(table_view(family, saved, node::wall_now()));
  }
  if (tables.empty())
    return context.fail(ExitCode::not_found, "dht table", "no table is saved in " + state.path(),
                        "`lodestone node` saves one from its start on");
  Output& out = context.out;
  for (const TableView& one : tables) {
    if (out.json()) {
      out.record(table_record(one));
      continue;
    }
    out.line(table_title(one));
    for (const std::string& line : table_lines(one)) out.line(line);
    if (const std::string versions = versions_line(one); !versions.empty()) out.line(versions);
    for (const std::string& line : count_lines(one, global.verbose > 0)) out.line(line);
  }
  return ExitCode::ok;
}

}  // namespace

void add_dht_table(CLI::App& dht, Context& context) {
  CLI::App* command = dht.add_subcommand("table", "The routing table that a node has saved");
  on_run(*command, context, [&context] { return table(context); });
}

}  // namespace lodestone::tools
