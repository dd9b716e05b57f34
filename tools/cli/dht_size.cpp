// SPDX-License-Identifier: Apache-2.0
// `dht size`: about how many nodes there are, from the density around random targets. Each family is a network of its
// own. A few lookups at a time: the first ones all begin at the same node, and some nodes ban who asks much at once.
#include <algorithm>
#include <iterator>
#include <map>
#include <memory>
#include <utility>
#include <variant>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "dht/size_estimate.hpp"
#include "node/net/entropy.hpp"
#include "tools/cli/dht_options.hpp"
#include "tools/cli/dht_records.hpp"
#include "tools/cli/dht_run.hpp"
#include "tools/cli/dht_text.hpp"
#include "tools/cli/options.hpp"

namespace lodestone::tools {
namespace {

constexpr std::size_t kAtOnce = 3;

struct SizeOptions {
  std::uint32_t lookups = 16;
  std::optional<wire::Duration> wait;
};

class SizeRun {
 public:
  SizeRun(const SizeOptions& options, Context& context)
      : options_(options), context_(context), run_(context, "dht size"), rng_(node::make_rng()) {}
  ExitCode run();

 private:
  struct Network {
    dht::SizeEstimate estimate{static_cast<std::size_t>(dht::Limits::client().k)};
    std::vector<dht::LookupId> running;
    bool answers = false;
  };

  void on_event(wire::Family family, const dht::Event& event);
  bool tick();
  /// Whether every network that answers has no more than `most` lookups under way.
  [[nodiscard]] bool at_most(std::size_t most) const;
  void begin_one();
  void report();

  SizeOptions options_;
  Context& context_;
  DhtRun run_;
  wire::Rng rng_;
  double started_at_ = 0;
  std::uint32_t begun_ = 0;
  std::map<wire::Family, Network> networks_;
};

ExitCode SizeRun::run() {
  return run_.run(
      [this] {
        started_at_ = node::seconds_since_process_start();
        run_.runtime().every(kTick, [this] { return tick(); });
      },
      [this](wire::Family family, const dht::Event& event) { on_event(family, event); });
}

bool SizeRun::tick() {
  if (run_.finished()) return false;
  const double elapsed = node::seconds_since_process_start() - started_at_;
  bool any = false, all = true;
  for (const auto& one : run_.session().dht_status().nodes) {
    Network& network = networks_[one.family];
    network.answers = network.answers || one.ever_answered;
    any = any || network.answers;
    all = all && network.answers;
  }
  if (!any) {
    if (elapsed < wire::to_seconds(kNoAnswerAfter)) return true;
    run_.fail_unanswered();
    return false;
  }
  if (options_.wait && elapsed < wire::to_seconds(*options_.wait)) return true;
  while (begun_ < options_.lookups && at_most(kAtOnce - 1)) begin_one();
  if (begun_ < options_.lookups || !at_most(0) || (!all && elapsed < kFamilyPatience)) return true;
  report();
  return false;
}

bool SizeRun::at_most(std::size_t most) const {
  return std::all_of(networks_.begin(), networks_.end(),
                     [most](const auto& n) { return !n.second.answers || n.second.running.size() <= most; });
}

void SizeRun::begin_one() {
  ++begun_;
  for (const auto& ref : run_.session().dht_find_node(rng_.id<wire::Key>()))
    networks_[ref.family].running.push_back(ref.lookup);
}

void SizeRun::on_event(wire::Family family, const dht::Event& event) {
  const auto* done = std::get_if<dht::event::LookupDone>(&event);
  if (done == nullptr || run_.finished()) return;
  Network& network = networks_[family];
  if (std::erase(network.running, done->lookup) == 0) return;
  std::vector<wire::NodeId> closest;
  std::transform(done->stats.closest.begin(), done->stats.closest.end(), std::back_inserter(closest),
                 [](const dht::NodeView& node) { return node.id; });
  network.estimate.add(done->stats.target, closest);
}

void SizeRun::report() {
  bool any = false;
  for (const auto& [family, network] : networks_) {
    const auto size = network.estimate.result();
    if (!size) continue;
    any = true;
    if (context_.out.json())
      context_.out.record(size_record(family, *size));
    else
      context_.out.line(size_line(family, *size));
  }
  if (!any) return run_.fail(ExitCode::not_found, "no node has answered these lookups");
  run_.finish(ExitCode::ok);
}

}  // namespace

void add_dht_size(CLI::App& dht, Context& context) {
  auto options = std::make_shared<SizeOptions>();
  CLI::App* command = dht.add_subcommand("size", "About how many nodes there are");
  command->add_option("--lookups", options->lookups, "How many to make; four times as many halve the error")
      ->check(CLI::Range(1, 1'000))
      ->capture_default_str()
      ->type_name("N");
  add_wait(*command, options->wait);
  on_run(*command, context, [options, &context] { return SizeRun(*options, context).run(); });
}

}  // namespace lodestone::tools
