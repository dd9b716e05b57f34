// SPDX-License-Identifier: Apache-2.0
// `dht ping HOST:PORT`: is there a DHT node, which one, how far away, and how does it see us? With several, or `-` for
// those on stdin, a probe of each.
#include <algorithm>
#include <istream>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tools/cli/dht_options.hpp"
#include "tools/cli/dht_probe.hpp"
#include "tools/cli/dht_records.hpp"
#include "tools/cli/dht_run.hpp"

namespace lodestone::tools {
namespace {

struct PingOptions {
  std::vector<std::string> nodes;
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

ExitCode ping_one(const magnet::HostPort& target, Context& context) {
  DhtRun run(context, "dht ping " + target.text());
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
  return run.run_with(target, body, on_event);
}

/// One a line; empty lines and what follows a '#' do not count.
std::vector<std::string> lines_of_nodes(std::istream& in) {
  std::vector<std::string> nodes;
  for (std::string line; std::getline(in, line);) {
    line.erase(std::min(line.find('#'), line.size()));
    CLI::detail::trim(line);
    if (!line.empty()) nodes.push_back(line);
  }
  return nodes;
}

ExitCode ping(const PingOptions& options, Context& context) {
  const bool one = options.nodes.size() == 1 && options.nodes.front() != "-";
  std::vector<magnet::HostPort> nodes;
  for (const std::string& text : options.nodes) {
    for (const std::string& node : text == "-" ? lines_of_nodes(context.in) : std::vector{text}) {
      auto parsed = parse_dht_node(node);
      if (!parsed) return context.fail(ExitCode::usage, "dht ping", parsed.error(), "See `lodestone dht ping --help`");
      nodes.push_back(*std::move(parsed));
    }
  }
  if (nodes.empty())
    return context.fail(ExitCode::usage, "dht ping", "no node is named on stdin", "One HOST:PORT a line");
  return one ? ping_one(nodes.front(), context) : probe_all(nodes, context);
}

}  // namespace

void add_dht_ping(CLI::App& dht, Context& context) {
  auto options = std::make_shared<PingOptions>();
  CLI::App* command = dht.add_subcommand("ping", "Is there a DHT node? Are these routers in good health?");
  command->add_option("NODE", options->nodes, "The node; several (- for stdin, one a line): also what they are worth")
      ->required()
      ->type_name("HOST:PORT...");
  add_wait(*command, options->wait);
  on_run(*command, context, [options, &context] { return ping(*options, context); });
}

}  // namespace lodestone::tools
