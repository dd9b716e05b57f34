// SPDX-License-Identifier: Apache-2.0
// `dht get-peers TARGET`: who shares this, as the DHT tells it; each peer as it comes.
#include <memory>
#include <ostream>
#include <set>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tools/cli/dht_lookup.hpp"
#include "tools/cli/dht_options.hpp"
#include "tools/cli/dht_records.hpp"
#include "tools/cli/options.hpp"
#include "tools/cli/transfer_text.hpp"
#include "tools/cli/units.hpp"

namespace lodestone::tools {
namespace {

struct GetPeersOptions {
  std::string target;
  std::optional<wire::Duration> wait;
};

ExitCode get_peers(const GetPeersOptions& options, Context& context) {
  const auto target = read_key(options.target, context);
  if (!target) return context.fail(target.error());
  Output& out = context.out;
  std::set<wire::Endpoint> seen;
  DhtRun run(context, "dht get-peers " + target->hex());
  DhtLookup::Handlers handlers;
  handlers.begin = [&target](node::Session& session) {
    return session.dht_get_peers(wire::InfoHash{target->bytes()}, std::nullopt);
  };
  handlers.on_peers = [&](const dht::event::PeersFound& found, double elapsed) {
    for (const wire::Endpoint& peer : found.peers) {
      if (!seen.insert(peer).second) continue;
      if (out.json())
        out.record(peer_record(peer, found.from, elapsed));
      else
        out.line(peer.text());
    }
    out.out().flush();
  };
  handlers.on_done = [&](const DhtLookup::Result& result) {
    if (out.json())
      out.record(lookup_record(result.stats, result.bootstrap_seconds, seen.size()));
    else
      out.note(fmt::format("{} from {} of {} that answered, in {}", count_of(seen.size(), "peer"),
                           result.stats.answered, count_of(result.stats.asked, "node"),
                           format_duration(wire::to_seconds(result.stats.duration))));
    if (seen.empty())
      return run.fail(ExitCode::not_found, "the lookup is complete and nobody shares this",
                      "Check the info-hash, or try again later");
    run.finish(ExitCode::ok);
  };
  return DhtLookup(run, options.wait, false, std::move(handlers)).run();
}

}  // namespace

void add_dht_get_peers(CLI::App& dht, Context& context) {
  auto options = std::make_shared<GetPeersOptions>();
  CLI::App* command = dht.add_subcommand("get-peers", "Who shares a torrent");
  command->add_option("TARGET", options->target, "Magnet link, info-hash or .torrent file")->required();
  add_wait(*command, options->wait);
  on_run(*command, context, [options, &context] { return get_peers(*options, context); });
}

}  // namespace lodestone::tools
