// SPDX-License-Identifier: Apache-2.0
// `node`: a DHT node that runs until stopped, with an identity of its own that it keeps.
#include <algorithm>
#include <memory>
#include <optional>
#include <ostream>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "node/ops/counts_text.hpp"
#include "node/ops/log.hpp"
#include "node/session.hpp"
#include "tools/cli/commands.hpp"
#include "tools/cli/context.hpp"
#include "tools/cli/options.hpp"
#include "tools/cli/run_guard.hpp"
#include "tools/cli/service.hpp"
#include "tools/cli/session_options.hpp"
#include "tools/cli/transfer_text.hpp"
#include "tools/cli/units.hpp"

namespace lodestone::tools {
namespace {

constexpr wire::Duration kStatusTick = std::chrono::seconds(1);
constexpr double kStatusLineEvery = 60;  // seconds, where there is no terminal
constexpr double kWarnAfter = 15;
constexpr std::size_t kLeastRing = 1'000, kMostRing = 100'000'000;
constexpr std::size_t kLeastQueue = 10'000;

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

std::string status_line(NodeRole role, const node::DhtStatus& status, double now) {
  std::uint64_t queries = 0, stored = 0;
  for (const auto& one : status.nodes) {
    queries += one.counters.queries_in;
    stored += one.counters.announces_in;
  }
  const std::string ring = role == NodeRole::bootstrap ? fmt::format(" and {} in the ring", status.ring()) : "";
  return fmt::format("[{}] {} in the table{}, {} answered, {} taken", format_duration(now),
                     count_of(status.table(), "node"), ring,
                     fmt::format("{} quer{}", queries, queries == 1 ? "y" : "ies"), count_of(stored, "announce"));
}

constexpr const char* kNobodyAnswers =
    "no DHT node has answered yet; check that a firewall lets UDP out, or name one with --bootstrap HOST:PORT";

/// To the person at the terminal, or to whoever reads the log where that goes elsewhere or has a form of its own.
void tell_warning(Context& context, std::string_view text) {
  if (context.global.log_file.empty() && context.global.log_format == LogFormat::text) return context.out.warn(text);
  node::log::write(node::log::Level::warn, text);
}

/// What the nodes have counted, at their end.
void tell_counts(Context& context, const node::DhtStatus& status) {
  for (const auto& one : status.nodes) {
    context.out.note("DHT on " + one.local.text() + ":");
    for (const std::string& line : node::counter_lines(one.counters)) context.out.note(line);
  }
}

struct NodeOptions {
  NodeRole role = NodeRole::node;
  std::optional<std::size_t> ring_size;
};

class NodeRun {
 public:
  NodeRun(const NodeOptions& options, Context& context) : options_(options), context_(context) {}
  ExitCode run();

 private:
  bool tick();
  void stop();

  NodeOptions options_;
  Context& context_;
  node::Runtime runtime_{node::RuntimeConfig{}};
  std::optional<node::Session> session_;
  std::optional<Service> service_;
  double next_line_ = kStatusLineEvery;
  bool warned_ = false;
  bool stopping_ = false;
};

ExitCode NodeRun::run() {
  set_up_log(context_);
  auto config = session_config(context_.global, SessionRole::node);
  if (!config) return context_.fail(config.error());
  config->dht_limits = limits_of(options_.role);
  if (options_.ring_size) {
    if (options_.role != NodeRole::bootstrap) {
      return context_.fail({ExitCode::usage, "--ring-size", "only an introducer has a ring", "Add --role bootstrap"});
    }
    config->dht_limits.ring_size = *options_.ring_size;
    config->dht_limits.ping_queue = std::max(kLeastQueue, *options_.ring_size / 2);
  }
  session_.emplace(runtime_, *std::move(config));
  if (const auto started = session_->start(); !started) return context_.fail(failure_of(started.error()));
  const RunGuard guard(runtime_, context_, [this](StopCause) { stop(); });
  service_.emplace(runtime_, context_, [this](const GlobalOptions& options) {
    session_->set_bootstrap(options.bootstrap, !options.no_bootstrap);
  });
  print_ready(context_, options_.role, session_->dht_status());
  service_->ready();
  runtime_.every(kStatusTick, [this] { return tick(); });
  runtime_.run();
  service_.reset();
  session_.reset();
  return end_of_service(guard.cause(), context_, "node");
}

bool NodeRun::tick() {
  if (stopping_) return false;
  const node::DhtStatus status = session_->dht_status();
  const double now = node::seconds_since_process_start();
  if (!warned_ && now >= kWarnAfter && !status.ever_answered() && !context_.global.no_bootstrap) {
    warned_ = true;
    tell_warning(context_, kNobodyAnswers);
  }
  const std::string line = status_line(options_.role, status, now);
  service_->report(line);
  context_.out.status(line);
  if (context_.out.progress() == ProgressMode::line && !context_.out.json() && now >= next_line_) {
    next_line_ = now + kStatusLineEvery;
    context_.out.note(line);
  }
  return true;
}

void NodeRun::stop() {
  if (context_.global.verbose > 0) tell_counts(context_, session_->dht_status());
  stopping_ = true;
  service_->stopping();
  context_.out.end_status();
  session_->stop([this] { runtime_.stop(); });
}

}  // namespace

void add_node(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand("node", "Serves the DHT until stopped");
  auto options = std::make_shared<NodeOptions>();
  add_parsed(
      *command, "--role", options->role, parse_node_role,
      "How much it stores for others: node (default), or as little as a client; bootstrap: introduces newcomers to "
      "each other")
      ->type_name("client|node|bootstrap");
  command
      ->add_option("--ring-size", options->ring_size,
                   "Nodes that --role bootstrap can hand out, of each family (default: 1000000; 32 bytes each)")
      ->check(CLI::Range(kLeastRing, kMostRing));
  on_run(*command, context, [options, &context] { return NodeRun(*options, context).run(); });
}

}  // namespace lodestone::tools
