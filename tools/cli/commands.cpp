// SPDX-License-Identifier: Apache-2.0
#include "tools/cli/commands.hpp"

namespace lodestone::tools {

// Each in the source file of its name.
void add_create(CLI::App& app, Context& context);
void add_show(CLI::App& app, Context& context);
void add_magnet(CLI::App& app, Context& context);
void add_bdecode(CLI::App& app, Context& context);
void add_get(CLI::App& app, Context& context);
void add_seed(CLI::App& app, Context& context);
void add_node(CLI::App& app, Context& context);
void add_testnet(CLI::App& app, Context& context);
void add_dht(CLI::App& app, Context& context);
void add_sim(CLI::App& app, Context& context);

void add_commands(CLI::App& app, Context& context) {
  add_get(app, context);
  add_seed(app, context);
  add_create(app, context);
  add_show(app, context);
  add_magnet(app, context);
  add_bdecode(app, context);
  add_node(app, context);
  add_testnet(app, context);
  add_dht(app, context);
  add_sim(app, context);
}

}  // namespace lodestone::tools
