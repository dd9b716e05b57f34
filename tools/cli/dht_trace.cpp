// SPDX-License-Identifier: Apache-2.0
// `dht trace TARGET`: the way of a lookup, query by query.
#include <memory>
#include <ostream>
#include <set>
#include <variant>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tools/cli/dht_lookup.hpp"
#include "tools/cli/dht_options.hpp"
#include "tools/cli/dht_records.hpp"
#include "tools/cli/dht_text.hpp"
#include "tools/cli/options.hpp"
#include "tools/cli/transfer_text.hpp"
#include "tools/cli/units.hpp"

namespace lodestone::tools {
namespace {

struct TraceOptions {
  std::string target;
  std::optional<wire::Duration> wait;
};

ExitCode trace(const TraceOptions& options, Context& context) {
  const auto target = read_key(options.target, context);
  if (!target) return context.fail(target.error());
  Output& out = context.out;
  std::set<wire::Endpoint> peers;
  DhtRun run(context, "dht trace " + target->hex());
  DhtLookup::Handlers handlers;
  handlers.begin = [&target](node::Session& session) { return session.dht_trace(wire::InfoHash{target->bytes()}); };
  handlers.on_peers = [&](const dht::event::PeersFound& found, double) {
    peers.insert(found.peers.begin(), found.peers.end());
  };
  handlers.on_event = [&](const dht::Event& event) {
    const auto* hop = std::get_if<dht::event::Hop>(&event);
    if (hop == nullptr) return;
    if (out.json())
      out.record(hop_record(*hop, *target));
    else
      out.line(hop_line(*hop, *target));
    out.out().flush();
  };
  handlers.on_done = [&](const DhtLookup::Result& result) {
    if (out.json())
      out.record(lookup_record(result.stats, result.bootstrap_seconds, peers.size()));
    else
      out.note(fmt::format("{} from {} of {} that answered, in {}", count_of(peers.size(), "peer"),
                           result.stats.answered, count_of(result.stats.asked, "node"),
                           format_duration(wire::to_seconds(result.stats.duration))));
    // What was asked for is the way, whether or not there are peers at its end.
    if (result.stats.answered == 0) return run.fail(ExitCode::not_found, "no node has answered this lookup");
    run.finish(ExitCode::ok);
  };
  return DhtLookup(run, options.wait, false, std::move(handlers)).run();
}

}  // namespace

void add_dht_trace(CLI::App& dht, Context& context) {
  auto options = std::make_shared<TraceOptions>();
  CLI::App* command = dht.add_subcommand("trace", "The way of a lookup, query by query");
  command->add_option("TARGET", options->target, "Magnet link, info-hash or .torrent file")->required();
  add_wait(*command, options->wait);
  on_run(*command, context, [options, &context] { return trace(*options, context); });
}

}  // namespace lodestone::tools
