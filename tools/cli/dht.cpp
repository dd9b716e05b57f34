// SPDX-License-Identifier: Apache-2.0
// `dht ...`: one source file per subcommand.
#include <CLI/CLI.hpp>

#include "tools/cli/commands.hpp"

namespace lodestone::tools {

void add_dht_ping(CLI::App& dht, Context& context);
void add_dht_find_node(CLI::App& dht, Context& context);
void add_dht_get_peers(CLI::App& dht, Context& context);
void add_dht_announce(CLI::App& dht, Context& context);
void add_dht_get(CLI::App& dht, Context& context);
void add_dht_put(CLI::App& dht, Context& context);
void add_dht_keygen(CLI::App& dht, Context& context);
void add_dht_sample(CLI::App& dht, Context& context);
void add_dht_trace(CLI::App& dht, Context& context);
void add_dht_table(CLI::App& dht, Context& context);
void add_dht_size(CLI::App& dht, Context& context);

void add_dht(CLI::App& app, Context& context) {
  CLI::App* dht = app.add_subcommand("dht", "Asks the DHT");
  dht->require_subcommand(0, 1);
  add_dht_ping(*dht, context);
  add_dht_find_node(*dht, context);
  add_dht_get_peers(*dht, context);
  add_dht_announce(*dht, context);
  add_dht_get(*dht, context);
  add_dht_put(*dht, context);
  add_dht_keygen(*dht, context);
  add_dht_sample(*dht, context);
  add_dht_trace(*dht, context);
  add_dht_table(*dht, context);
  add_dht_size(*dht, context);
}

}  // namespace lodestone::tools
