// SPDX-License-Identifier: Apache-2.0
// `sim lookup|announce|bootstrap|churn|swarm`: an experiment in a simulated DHT of real nodes. stdout is the same for
// the same options, byte for byte; what this machine made of it is a `perf` record on stderr.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <memory>
#include <optional>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tools/cli/commands.hpp"
#include "tools/cli/context.hpp"
#include "tools/cli/options.hpp"
#include "tools/cli/signal_watch.hpp"
#include "tools/cli/sim_records.hpp"
#include "tools/cli/units.hpp"
#include "tools/sim/swarm_experiment.hpp"
#include "tools/sim/vantage.hpp"

namespace lodestone::tools {
namespace {

constexpr std::size_t kMostNodes = 1'000'000;
constexpr std::string_view kOurs = "lodestone";

struct SimOptions {
  std::optional<std::size_t> nodes, lookups;
  std::string policy{kOurs};
  std::optional<double> rtt, dead, loss;
  std::uint64_t seed = 1;
  std::optional<wire::Duration> warm_up;
};

double resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  double size = 0, resident = 0;
  statm >> size >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE));
}

class SimRun {
 public:
  SimRun(SimSubject subject, const SimOptions& options, Context& context)
      : subject_(subject), options_(options), context_(context) {}
  ExitCode run();

 private:
  using Clock = std::chrono::steady_clock;

  [[nodiscard]] sim::ExperimentResult experiment();
  [[nodiscard]] std::size_t nodes() const { return options_.nodes.value_or(is_swarm() ? 50 : 10'000); }
  [[nodiscard]] bool is_swarm() const { return subject_ == SimSubject::swarm; }
  [[nodiscard]] double elapsed() const { return std::chrono::duration<double>(Clock::now() - started_).count(); }
  [[nodiscard]] bool shall_stop();
  void report_perf(const sim::ExperimentResult& result);

  SimSubject subject_;
  const SimOptions& options_;
  Context& context_;
  SignalWatch signals_;
  Clock::time_point started_ = Clock::now();
  double empty_ = resident_bytes();
  std::optional<double> built_at_;
  double built_bytes_ = 0;
  std::optional<ExitCode> stopped_;
};

ExitCode SimRun::run() {
  if (is_swarm() && options_.policy != kOurs) {
    return context_.fail(ExitCode::usage, "--policy " + options_.policy, "a swarm is made of our own nodes",
                         "Leave --policy out");
  }
  const sim::ExperimentResult result = experiment();
  context_.out.end_status();
  if (stopped_) {
    const char* cause = *stopped_ == ExitCode::timeout       ? "--timeout is over"
                        : *stopped_ == ExitCode::interrupted ? "interrupted"
                                                             : "terminated";
    return context_.fail(*stopped_, "sim " + std::string(name(subject_)), cause);
  }
  const SimAsked asked{subject_, options_.policy, nodes(), options_.seed};
  if (context_.out.json()) {
    context_.out.record(sim_record(asked, result));
  } else {
    for (const std::string& line : sim_lines(asked, result)) context_.out.line(line);
  }
  report_perf(result);
  return ExitCode::ok;
}

sim::ExperimentResult SimRun::experiment() {
  sim::ExperimentHooks hooks;
  hooks.built = [this] {
    built_at_ = elapsed();
    built_bytes_ = resident_bytes() - empty_;
  };
  hooks.progress = [this](double done) {
    context_.out.status(fmt::format("sim {}: {:.0f}%", name(subject_), 100 * done));
  };
  hooks.stop = [this] { return shall_stop(); };
  if (is_swarm()) {
    sim::SwarmConfig config;
    config.nodes = nodes();
    config.peers = options_.lookups.value_or(config.peers);
    config.rtt_ms = options_.rtt;
    config.loss = options_.loss.value_or(config.loss);
    config.seed = options_.seed;
    return run_swarm(config, hooks);
  }
  sim::ExperimentConfig config;
  switch (subject_) {
    case SimSubject::announce: config.subject = sim::Subject::announce; break;
    case SimSubject::bootstrap: config.subject = sim::Subject::bootstrap; break;
    case SimSubject::churn: config.subject = sim::Subject::churn; break;
    case SimSubject::lookup:
    case SimSubject::swarm: break;
  }
  config.policy = options_.policy;
  config.nodes = nodes();
  config.lookups = options_.lookups.value_or(config.lookups);
  config.rtt_ms = options_.rtt;
  config.dead = options_.dead.value_or(config.dead);
  config.loss = options_.loss.value_or(config.loss);
  config.seed = options_.seed;
  config.warm_up = options_.warm_up.value_or(config.warm_up);
  return run_experiment(config, hooks);
}

bool SimRun::shall_stop() {
  stopped_ = signals_.caught();
  if (!stopped_ && context_.global.timeout && elapsed() >= wire::to_seconds(*context_.global.timeout))
    stopped_ = ExitCode::timeout;
  return stopped_.has_value();
}

void SimRun::report_perf(const sim::ExperimentResult& result) {
  const double running = std::max(elapsed() - built_at_.value_or(0), 1e-9);
  // With all that its nodes have come to hold: more than when it was built.
  const double bytes = std::max(built_bytes_, resident_bytes() - empty_) / static_cast<double>(nodes());
  const double rate = static_cast<double>(result.events) / running;
  if (context_.out.json()) {
    context_.out.error_record(
        {{"type", "perf"}, {"seconds", elapsed()}, {"events_per_second", rate}, {"bytes_per_node", bytes}});
  } else {
    context_.out.note(fmt::format("{:.0f} s here, {:.0f} events/s, {} a node", elapsed(), rate,
                                  format_size(static_cast<std::uint64_t>(std::max(bytes, 0.0)))));
  }
}

void add_subject(CLI::App& sim, Context& context, SimSubject subject, const std::string& text) {
  auto options = std::make_shared<SimOptions>();
  CLI::App* command = sim.add_subcommand(std::string(name(subject)), text);
  const bool swarm = subject == SimSubject::swarm;
  command
      ->add_option("--nodes", options->nodes,
                   swarm ? "Nodes of the DHT (default 50)" : "Nodes of the DHT (default 10000)")
      ->check(CLI::Range(swarm ? std::size_t{1} : sim::kFewestNodes, swarm ? std::size_t{1'000} : kMostNodes))
      ->type_name("N");
  const auto names = sim::policy_names();
  command->add_option("--policy", options->policy, "Who looks things up: lodestone, libtorrent, mldht, bep5")
      ->check(CLI::IsMember(std::vector<std::string>(names.begin(), names.end())))
      ->capture_default_str()
      ->type_name("NAME");
  command->add_option("--rtt", options->rtt, "Median round trip between two nodes (default: about 160)")
      ->check(CLI::Range(1.0, 10'000.0))
      ->type_name("MS");
  if (!swarm) {
    command->add_option("--dead", options->dead, "Share of dead contacts in tables when it begins (default 0.4)")
        ->check(CLI::Range(0.0, 0.95))
        ->type_name("F");
    add_parsed(*command, "--warm-up", options->warm_up, parse_duration,
               "Virtual time before anything is measured (default 15m)")
        ->type_name("DUR");
  }
  command->add_option("--loss", options->loss, "Share of datagrams that are lost, each way (default 0.01)")
      ->check(CLI::Range(0.0, 0.9))
      ->type_name("F");
  command->add_option("--seed", options->seed, "The same seed gives the same result")
      ->capture_default_str()
      ->type_name("S");
  command
      ->add_option("--lookups", options->lookups,
                   swarm ? "How many peers download (default 20)" : "How many are made (default 1000)")
      ->check(CLI::Range(std::size_t{1}, swarm ? std::size_t{500} : std::size_t{100'000}))
      ->type_name("N");
  on_run(*command, context, [subject, options, &context] { return SimRun(subject, *options, context).run(); });
}

}  // namespace

void add_sim(CLI::App& app, Context& context) {
  CLI::App* sim = app.add_subcommand("sim", "Experiments in a simulated DHT of real nodes");
  sim->require_subcommand(0, 1);
  add_subject(*sim, context, SimSubject::lookup, "How long it takes to find a peer");
  add_subject(*sim, context, SimSubject::announce, "How long it takes to be announced, and whether in the right place");
  add_subject(*sim, context, SimSubject::bootstrap, "How long a newcomer takes to know those around it");
  add_subject(*sim, context, SimSubject::churn, "Lookups while nodes come and go ten times as fast");
  add_subject(*sim, context, SimSubject::swarm, "How long a swarm takes to fetch 16 MiB from one seed");
}

}  // namespace lodestone::tools
