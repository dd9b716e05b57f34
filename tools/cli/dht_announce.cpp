// SPDX-License-Identifier: Apache-2.0
// `dht announce TARGET --port N`: tells the DHT that this host shares it at that port.
#include <memory>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tools/cli/dht_lookup.hpp"
#include "tools/cli/dht_options.hpp"
#include "tools/cli/dht_records.hpp"
#include "tools/cli/options.hpp"
#include "tools/cli/transfer_text.hpp"

namespace lodestone::tools {
namespace {

struct AnnounceOptions {
  std::string target;
  std::uint16_t port = 0;
  std::optional<wire::Duration> wait;
};

ExitCode announce(const AnnounceOptions& options, Context& context) {
  const auto target = read_key(options.target, context);
  if (!target) return context.fail(target.error());
  Output& out = context.out;
  DhtRun run(context, "dht announce " + target->hex());
  DhtLookup::Handlers handlers;
  handlers.begin = [&](node::Session& session) {
    const dht::AnnounceSpec spec{.port = options.port, .implied_port = false};
    return session.dht_get_peers(wire::InfoHash{target->bytes()}, spec);
  };
  handlers.on_done = [&](const DhtLookup::Result& result) {
    if (out.json()) {
      out.record(announce_record(*target, options.port, result.stored, result.refused));
    } else {
      for (const wire::Endpoint& node : result.stored) out.line(node.text());
      out.note(fmt::format("stored by {}, refused by {}", count_of(result.stored.size(), "node"), result.refused));
    }
    if (result.stored.empty())
      return run.fail(ExitCode::error, "no node has stored it", "Try again, or let the DHT settle with --wait 5s");
    run.finish(ExitCode::ok);
  };
  return DhtLookup(run, options.wait, true, std::move(handlers)).run();
}

}  // namespace

void add_dht_announce(CLI::App& dht, Context& context) {
  auto options = std::make_shared<AnnounceOptions>();
  CLI::App* command = dht.add_subcommand("announce", "Tells the DHT that this host shares a torrent");
  command->add_option("TARGET", options->target, "Magnet link, info-hash or .torrent file")->required();
  // Others drop the ports 0 and 1 (L4).
  command->add_option("--port", options->port, "Where peers reach it")
      ->required()
      ->check(CLI::Range(2, 65535))
      ->type_name("N");
  add_wait(*command, options->wait);
  on_run(*command, context, [options, &context] { return announce(*options, context); });
}

}  // namespace lodestone::tools
