// SPDX-License-Identifier: Apache-2.0
// `node`: a DHT node that runs until stopped, with an identity of its own that it keeps.
#include <algorithm>
#include <expected>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "node/ops/counts_text.hpp"
#include "node/ops/log.hpp"
#include "node/ops/observer.hpp"
#include "node/session.hpp"
#include "tools/cli/commands.hpp"
#include "tools/cli/context.hpp"
#include "tools/cli/dht_options.hpp"
#include "tools/cli/node_status.hpp"
#include "tools/cli/options.hpp"
#include "tools/cli/run_guard.hpp"
#include "tools/cli/service.hpp"
#include "tools/cli/session_options.hpp"
#include "tools/cli/transfer_text.hpp"
#include "tools/cli/units.hpp"
#include "tools/cli/version.hpp"

namespace lodestone::tools {
namespace {

constexpr wire::Duration kStatusTick = std::chrono::seconds(1);
constexpr double kStatusLineEvery = 60;  // seconds, where there is no terminal
constexpr double kWarnAfter = 15;
constexpr std::size_t kLeastRing = 1'000, kMostRing = 100'000'000;
constexpr std::size_t kLeastQueue = 10'000;
constexpr std::size_t kMostAnswering = 64;

void print_ready(Context& context, NodeRole role, const node::DhtStatus& status, const std::string& metrics) {
  if (context.out.json()) {
    nlohmann::ordered_json ids = nlohmann::ordered_json::array();
    for (const auto& one : status.nodes) {
      ids.push_back(
          {{"family", one.family == wire::Family::v4 ? 4 : 6}, {"id", one.id.hex()}, {"addr", one.local.text()}});
    }
    nlohmann::ordered_json record = {
        {"type", "ready"}, {"ids", std::move(ids)}, {"table", status.table()}, {"role", name_of(role)}};
    if (!metrics.empty()) record["metrics"] = metrics;
    context.out.record(record);
    return;
  }
  std::string where;
  for (const auto& one : status.nodes)
    where += fmt::format("{}{} as {}", where.empty() ? "" : ", ", one.local.text(), one.id.hex());
  if (!metrics.empty()) where += ", metrics on " + metrics;
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
  std::size_t threads = 1;
  std::vector<magnet::HostPort> pollinate;
  std::optional<wire::Endpoint> metrics;
  std::vector<wire::Address> external_ips;
};

std::expected<wire::Address, std::string> parse_external(const std::string& text) {
  const auto address = wire::Address::parse(text);
  if (!address) return std::unexpected("'" + text + "' is no address");
  if (address->kind() != wire::AddressKind::global)
    return std::unexpected(text + " is no address under which the world could see us");
  return *address;
}

/// One of each family.
bool is_ambiguous(const std::vector<wire::Address>& external_ips) {
  const auto v4 = std::count_if(external_ips.begin(), external_ips.end(), [](const auto& a) { return a.is_v4(); });
  return v4 > 1 || static_cast<std::ptrdiff_t>(external_ips.size()) - v4 > 1;
}

std::expected<wire::Endpoint, std::string> parse_metrics(const std::string& text) {
  if (const auto endpoint = wire::Endpoint::parse(text)) return *endpoint;
  return std::unexpected("'" + text + "' is no ADDR:PORT");
}

class NodeRun {
 public:
  NodeRun(const NodeOptions& options, Context& context) : options_(options), context_(context) {}
  ExitCode run();

 private:
  /// Opens what others look at the node through.
  void show(std::optional<node::MetricsPort> metrics);
  bool tick();
  void stop();

  NodeOptions options_;
  Context& context_;
  node::Runtime runtime_{node::RuntimeConfig{}};
  std::optional<node::Session> session_;
  std::optional<node::Observer> observer_;
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
  if (options_.threads > 1 && options_.role != NodeRole::bootstrap) {
    return context_.fail(
        {ExitCode::usage, "--threads", "only an introducer answers on several threads", "Add --role bootstrap"});
  }
  config->dht_threads = options_.threads;
  if (!options_.pollinate.empty() && options_.role != NodeRole::bootstrap) {
    return context_.fail(
        {ExitCode::usage, "--pollinate", "only an introducer has a ring to be filled", "Add --role bootstrap"});
  }
  config->pollinate = options_.pollinate;
  if (is_ambiguous(options_.external_ips)) {
    return context_.fail({ExitCode::usage, "--external-ip", "there is more than one of a family",
                          "Name one IPv4 and one IPv6 address at most"});
  }
  config->external_ips = options_.external_ips;
  // Before the session, so that a port that is taken costs nothing.
  std::optional<node::MetricsPort> metrics;
  if (options_.metrics) {
    auto bound = node::bind_metrics(*options_.metrics);
    if (!bound)
      return context_.fail({ExitCode::network, "--metrics " + options_.metrics->text(), bound.error().message(),
                            "Stop what uses it, or choose another port"});
    metrics = *std::move(bound);
  }
  session_.emplace(runtime_, *std::move(config));
  if (const auto started = session_->start(); !started) return context_.fail(failure_of(started.error()));
  const RunGuard guard(runtime_, context_, [this](StopCause) { stop(); });
  service_.emplace(runtime_, context_, [this](const GlobalOptions& options) {
    session_->set_bootstrap(options.bootstrap, !options.no_bootstrap);
  });
  const std::string metrics_at = metrics ? metrics->local.text() : "";
  show(std::move(metrics));
  print_ready(context_, options_.role, session_->dht_status(), metrics_at);
  service_->ready();
  runtime_.every(kStatusTick, [this] { return tick(); });
  runtime_.run();
  service_.reset();
  session_.reset();
  return end_of_service(guard.cause(), context_, "node");
}

void NodeRun::show(std::optional<node::MetricsPort> metrics) {
  const std::string& state_dir = context_.global.state_dir;
  observer_.emplace(runtime_, *session_,
                    node::NodeFacts{.version = kVersion,
                                    .role = std::string(name_of(options_.role)),
                                    .state_dir = state_dir,
                                    .metrics = metrics ? metrics->local.text() : ""});
  if (metrics) observer_->serve_metrics(std::move(metrics->listening));
  if (state_dir.empty()) return;
  if (const auto error = observer_->serve_status())
    node::log::warn("`node status` will not reach this node: no socket in {}: {}", state_dir, error.message());
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
  observer_.reset();
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
  command
      ->add_option("--threads", options->threads,
                   "Threads that answer for --role bootstrap (default: 1); the first one also does all else")
      ->check(CLI::Range(std::size_t{1}, kMostAnswering));
  add_parsed_list(*command, "--pollinate", options->pollinate, parse_dht_node,
                  "Another bootstrap node, to learn nodes from: a new one is of use within a minute")
      ->type_name("HOST:PORT");
  add_parsed(*command, "--metrics", options->metrics, parse_metrics,
             "Serves /metrics for Prometheus, /healthz and /readyz there; port 0: any")
      ->type_name("ADDR:PORT");
  add_parsed_list(*command, "--external-ip", options->external_ips, parse_external,
                  "Where others see us, one of each family; the id follows from it at once, and not from what they say")
      ->type_name("ADDR");
  const CLI::App* status = command->add_subcommand("status", "What the running node says about itself");
  command->require_subcommand(0, 1);
  on_run(*command, context, [options, status, &context] {
    return status->parsed() ? node_status(context) : NodeRun(*options, context).run();
  });
}

}  // namespace lodestone::tools
