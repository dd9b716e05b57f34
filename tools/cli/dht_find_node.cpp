// SPDX-License-Identifier: Apache-2.0
// `dht find-node ID [HOST:PORT]`: who is close to a point of the key space, by one node's account or by a lookup.
#include <memory>
#include <variant>

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

struct FindNodeOptions {
  std::string target;
  std::optional<magnet::HostPort> node;
  std::optional<wire::Duration> wait;
};

void print(Output& out, const dht::LookupStats& stats, double bootstrap_seconds) {
  if (out.json()) return out.record(lookup_record(stats, bootstrap_seconds, stats.peers));
  for (const dht::NodeView& node : stats.closest) {
    const std::string rtt =
        node.rtt > wire::Duration::zero() ? fmt::format("{:.1f} ms", wire::to_seconds(node.rtt) * 1000) : "";
    out.line(fmt::format("{}  {:<21}  {}", node.id.hex(), node.endpoint.text(), rtt));
  }
  out.note(fmt::format("{} of {} answered in {}", stats.answered, count_of(stats.asked, "node"),
                       format_duration(wire::to_seconds(stats.duration))));
}

ExitCode ask_one(const FindNodeOptions& options, const wire::Key& target, Context& context) {
  DhtRun run(context, "dht find-node " + options.node->text());
  double asked_at = 0;
  const auto on_event = [&](wire::Family, const dht::Event& event) {
    const auto* done = std::get_if<dht::event::QueryDone>(&event);
    if (done == nullptr || run.finished()) return;
    if (!done->answered) return run.fail(ExitCode::timeout, "no reply", kNoReplyHint);
    if (done->error_reply) return run.fail(ExitCode::error, "it answered with an error", "");
    dht::LookupStats stats;
    stats.target = target;
    stats.duration = done->rtt;
    stats.asked = stats.answered = 1;
    stats.closest = done->nodes;
    print(context.out, stats, asked_at);
    if (stats.closest.empty()) return run.fail(ExitCode::not_found, "it knows no nodes");
    run.finish(ExitCode::ok);
  };
  const auto body = [&](const wire::Endpoint& node) {
    asked_at = node::seconds_since_process_start();
    if (!run.session().dht_find_node_at(node, target))
      run.fail(ExitCode::network, "there is no socket of that family here", "Leave --listen, -4 or -6 out");
  };
  return run.run_with(*options.node, body, on_event);
}

ExitCode look_up(const FindNodeOptions& options, const wire::Key& target, Context& context) {
  DhtRun run(context, "dht find-node " + target.hex());
  DhtLookup::Handlers handlers;
  handlers.begin = [&target](node::Session& session) { return session.dht_find_node(target); };
  handlers.on_done = [&](const DhtLookup::Result& result) {
    print(context.out, result.stats, result.bootstrap_seconds);
    if (result.stats.closest.empty()) return run.fail(ExitCode::not_found, "no node has answered this lookup");
    run.finish(ExitCode::ok);
  };
  return DhtLookup(run, options.wait, false, std::move(handlers)).run();
}

ExitCode find_node(const FindNodeOptions& options, Context& context) {
  const auto target = read_key(options.target, context);
  if (!target) return context.fail(target.error());
  return options.node ? ask_one(options, *target, context) : look_up(options, *target, context);
}

}  // namespace

void add_dht_find_node(CLI::App& dht, Context& context) {
  auto options = std::make_shared<FindNodeOptions>();
  CLI::App* command = dht.add_subcommand("find-node", "The nodes closest to an id");
  command->add_option("ID", options->target, "40 hex digits, or what stands for a torrent")->required();
  add_parsed(*command, "NODE", options->node, parse_dht_node, "Ask only this one")->type_name("HOST:PORT");
  add_wait(*command, options->wait);
  on_run(*command, context, [options, &context] { return find_node(*options, context); });
}

}  // namespace lodestone::tools
