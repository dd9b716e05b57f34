// SPDX-License-Identifier: Apache-2.0
// `dht keygen FILE`: a key to sign mutable items with.
#include <memory>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "tools/cli/options.hpp"
#include "tools/cli/signing_key.hpp"

namespace lodestone::tools {

void add_dht_keygen(CLI::App& dht, Context& context) {
  auto path = std::make_shared<std::string>();
  CLI::App* command = dht.add_subcommand("keygen", "Makes a key to sign items with; prints its public half");
  command->add_option("FILE", *path, "Where the secret half goes")->required();
  on_run(*command, context, [path, &context] {
    const auto key = make_signing_key(*path);
    if (!key) return context.fail(key.error());
    const std::string text = wire::to_hex(key->public_key());
    if (context.out.json()) {
      context.out.record({{"type", "key"}, {"key", text}, {"path", *path}});
    } else {
      context.out.line(text);
    }
    return ExitCode::ok;
  });
}

}  // namespace lodestone::tools
