// SPDX-License-Identifier: Apache-2.0
// `node`: a DHT node that runs until stopped, with an identity of its own that it keeps.
#include <memory>
#include <ostream>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "node/ops/counts_text.hpp"
#include "node/session.hpp"
#include "tools/cli/commands.hpp"
#include "tools/cli/context.hpp"
#include "tools/cli/options.hpp"
#include "tools/cli/run_guard.hpp"
#include "tools/cli/session_options.hpp"
#include "tools/cli/transfer_text.hpp"
#include "tools/cli/units.hpp"

namespace lodestone::tools {
namespace {

constexpr wire::Duration kStatusTick = std::chrono::seconds(1);
constexpr double kStatusLineEvery = 60;  // seconds, where there is no terminal
constexpr double kWarnAfter = 15;

void print_ready(Context& context, NodeRole role, const node::DhtStatus& status) {
  if (context.out.json()) {
    nlohmann::ordered_json ids = nlohmann::ordered_json::array();
    for (const auto& one : status.nodes) {
      ids.push_back(
          {{"family", one.family == wire::Family::v4 ? 4 : 6}, {"id", one.id.hex()}, {"addr", one.local.text()}});
    }
    context.out.record(
        {{"type", "ready"}, {"ids", std::move(ids)}, {"table", status.table()}, {"role", name_of(role)}});
    return;
  }
  std::string where;
  for (const auto& one : status.nodes)
    where += fmt::format("{}{} as {}", where.empty() ? "" : ", ", one.local.text(), one.id.hex());
  context.out.line("ready on " + where);
  context.out.out().flush();
}

std::string status_line(const node::DhtStatus& status, double now) {
  std::uint64_t queries = 0, stored = 0;
  for (const auto& one : status.nodes) {
    queries += one.counters.queries_in;
    stored += one.counters.announces_in;
  }
  return fmt::format("[{}] {} in the table, {} answered, {} taken", format_duration(now),
                     count_of(status.table(), "node"), fmt::format("{} quer{}", queries, queries == 1 ? "y" : "ies"),
                     count_of(stored, "announce"));
}

/// What the nodes have counted, at their end.
void tell_counts(Context& context, const node::DhtStatus& status) {
  for (const auto& one : status.nodes) {
    context.out.note("DHT on " + one.local.text() + ":");
    for (const std::string& line : node::counter_lines(one.counters)) context.out.note(line);
  }
}

class NodeRun {
 public:
  NodeRun(NodeRole role, Context& context) : role_(role), context_(context) {}
  ExitCode run();

 private:
  bool tick();
  void stop();

  NodeRole role_;
  Context& context_;
  node::Runtime runtime_{node::RuntimeConfig{}};
  std::optional<node::Session> session_;
  double next_line_ = kStatusLineEvery;
  bool warned_ = false;
  bool stopping_ = false;
};

ExitCode NodeRun::run() {
  set_up_log(context_);
  auto config = session_config(context_.global, SessionRole::node);
  if (!config) return context_.fail(config.error());
  config->dht_limits = limits_of(role_);
  session_.emplace(runtime_, *std::move(config));
  if (const auto started = session_->start(); !started) return context_.fail(failure_of(started.error()));
  const RunGuard guard(runtime_, context_, [this](StopCause) { stop(); });
  print_ready(context_, role_, session_->dht_status());
  runtime_.every(kStatusTick, [this] { return tick(); });
  runtime_.run();
  session_.reset();
  return end_of_service(guard.cause(), context_, "node");
}

bool NodeRun::tick() {
  if (stopping_) return false;
  const node::DhtStatus status = session_->dht_status();
  const double now = node::seconds_since_process_start();
  if (!warned_ && now >= kWarnAfter && !status.ever_answered() && !context_.global.no_bootstrap) {
    warned_ = true;
    context_.out.warn(
        "no DHT node has answered yet; check that a firewall lets UDP out, or name one with --bootstrap HOST:PORT");
  }
  context_.out.status(status_line(status, now));
  if (context_.out.progress() == ProgressMode::line && !context_.out.json() && now >= next_line_) {
    next_line_ = now + kStatusLineEvery;
    context_.out.note(status_line(status, now));
  }
  return true;
}

void NodeRun::stop() {
  if (context_.global.verbose > 0) tell_counts(context_, session_->dht_status());
  stopping_ = true;
  context_.out.end_status();
  session_->stop([this] { runtime_.stop(); });
}

}  // namespace

void add_node(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand("node", "Serves the DHT until stopped");
  auto role = std::make_shared<NodeRole>(NodeRole::node);
  add_parsed(*command, "--role", *role, parse_node_role,
             "How much it stores for others: node (default), or as little as a client")
      ->type_name("client|node");
  on_run(*command, context, [role, &context] { return NodeRun(*role, context).run(); });
}

}  // namespace lodestone::tools
