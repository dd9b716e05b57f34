// SPDX-License-Identifier: Apache-2.0
// `dht ping HOST:PORT`: is there a DHT node, which one, how far away, and how does it see us?
#include <memory>
#include <variant>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tools/cli/dht_options.hpp"
#include "tools/cli/dht_records.hpp"
#include "tools/cli/dht_run.hpp"
#include "tools/cli/options.hpp"

namespace lodestone::tools {
namespace {

struct PingOptions {
  magnet::HostPort node;
  std::optional<wire::Duration> wait;  // nothing to wait for: the node is named
};

void print_pong(DhtRun& run, const dht::event::QueryDone& done) {
  Output& out = run.context().out;
  if (out.json()) return out.record(pong_record(done));
  std::string text =
      fmt::format("{} is {}, {:.1f} ms", done.to.text(), done.id.hex(), wire::to_seconds(done.rtt) * 1000);
  if (!done.version.empty()) text += ", version " + version_text(done.version);
  if (done.external) text += ", sees us as " + done.external->text();
  out.line(text);
}

ExitCode ping(const PingOptions& options, Context& context) {
  DhtRun run(context, "dht ping " + options.node.text());
  const auto on_event = [&run](wire::Family, const dht::Event& event) {
    const auto* done = std::get_if<dht::event::QueryDone>(&event);
    if (done == nullptr || run.finished()) return;
    if (!done->answered) return run.fail(ExitCode::timeout, "no reply", kNoReplyHint);
    if (done->error_reply) return run.fail(ExitCode::error, "it answered with an error", "");
    print_pong(run, *done);
    run.finish(ExitCode::ok);
  };
  const auto body = [&run](const wire::Endpoint& node) {
    if (!run.session().dht_ping(node))
      run.fail(ExitCode::network, "there is no socket of that family here", "Leave --listen, -4 or -6 out");
  };
  return run.run_with(options.node, body, on_event);
}

}  // namespace

void add_dht_ping(CLI::App& dht, Context& context) {
  auto options = std::make_shared<PingOptions>();
  CLI::App* command = dht.add_subcommand("ping", "Is there a DHT node?");
  add_parsed(*command, "NODE", options->node, parse_dht_node, "The node")->required()->type_name("HOST:PORT");
  add_wait(*command, options->wait);
  on_run(*command, context, [options, &context] { return ping(*options, context); });
}

}  // namespace lodestone::tools
