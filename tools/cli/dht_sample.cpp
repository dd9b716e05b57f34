// SPDX-License-Identifier: Apache-2.0
// `dht sample [HOST:PORT]`: which info-hashes a node shows (BEP 51); without an address, those on the way to a random
// point of the key space.
#include <memory>
#include <variant>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "node/net/entropy.hpp"
#include "tools/cli/dht_lookup.hpp"
#include "tools/cli/dht_options.hpp"
#include "tools/cli/dht_records.hpp"
#include "tools/cli/options.hpp"
#include "tools/cli/transfer_text.hpp"

namespace lodestone::tools {
namespace {

struct SampleOptions {
  std::optional<magnet::HostPort> node;
  std::optional<wire::Duration> wait;
};

void print(Output& out, const dht::event::Samples& samples) {
  if (out.json()) return out.record(samples_record(samples));
  for (const wire::InfoHash& hash : samples.hashes) out.line(hash.hex());
  out.note(fmt::format("{} shows {} of {}, next in {} s", samples.from.text(), samples.hashes.size(), samples.num,
                       samples.interval));
}

ExitCode ask_one(const SampleOptions& options, Context& context) {
  DhtRun run(context, "dht sample " + options.node->text());
  bool shown = false;
  const auto on_event = [&](wire::Family, const dht::Event& event) {
    if (run.finished()) return;
    if (const auto* samples = std::get_if<dht::event::Samples>(&event)) {
      shown = true;
      return print(context.out, *samples);
    }
    const auto* done = std::get_if<dht::event::QueryDone>(&event);
    if (done == nullptr) return;
    if (!done->answered)
      return run.fail(ExitCode::timeout, "no reply", "It may be down, behind a firewall, or no DHT node");
    if (!shown) return run.fail(ExitCode::error, "it does not know sample_infohashes (BEP 51)", "");
    run.finish(ExitCode::ok);
  };
  const auto body = [&](const wire::Endpoint& node) {
    if (!run.session().dht_sample_at(node, node::make_rng().id<wire::Key>()))
      run.fail(ExitCode::network, "there is no socket of that family here", "Leave --listen, -4 or -6 out");
  };
  return run.run_with(*options.node, body, on_event);
}

ExitCode look_around(const SampleOptions& options, Context& context) {
  const auto target = node::make_rng().id<wire::Key>();
  DhtRun run(context, "dht sample");
  std::size_t nodes = 0;
  DhtLookup::Handlers handlers;
  handlers.begin = [&](node::Session& session) { return session.dht_sample(target); };
  handlers.on_event = [&](const dht::Event& event) {
    const auto* samples = std::get_if<dht::event::Samples>(&event);
    if (samples == nullptr) return;
    ++nodes;
    print(context.out, *samples);
  };
  handlers.on_done = [&](const DhtLookup::Result& result) {
    context.out.note(fmt::format("{} of {} showed samples", nodes, count_of(result.stats.answered, "node")));
    if (nodes == 0) return run.fail(ExitCode::not_found, "no node has shown samples");
    run.finish(ExitCode::ok);
  };
  return DhtLookup(run, options.wait, false, std::move(handlers)).run();
}

}  // namespace

void add_dht_sample(CLI::App& dht, Context& context) {
  auto options = std::make_shared<SampleOptions>();
  CLI::App* command = dht.add_subcommand("sample", "Info-hashes that nodes show");
  add_parsed(*command, "NODE", options->node, parse_dht_node, "Ask only this one")->type_name("HOST:PORT");
  add_wait(*command, options->wait);
  on_run(*command, context,
         [options, &context] { return options->node ? ask_one(*options, context) : look_around(*options, context); });
}

}  // namespace lodestone::tools
