// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/experiment.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <memory>

#include "dht/node_id_security.hpp"
#include "tools/sim/vantage.hpp"

namespace lodestone::tools::sim {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kVantages = 64;
constexpr Duration kSpacing = 50ms;  // between two lookups, which are of different vantage nodes
constexpr Duration kNewcomerSpacing = 500ms;
constexpr Duration kPlacing = 2min;       // hashes are announced during so long,
constexpr Duration kPlacedBefore = 1min;  // which is over so long before the lookups
constexpr Duration kRehearsal = 20s;      // before the lookups each vantage has looked for something
constexpr int kRehearsals = 3;
constexpr Duration kDrain = 60s;  // the last lookup has so long
constexpr Duration kNewcomerPatience = 60s;
constexpr Duration kSlice = 5s;  // of virtual time, between two signs of progress
constexpr std::size_t kIntroducers = 3;
constexpr std::size_t kEnough = 8;   // of
constexpr std::size_t kAround = 12;  // the closest
constexpr std::size_t kDeadSamples = 2'000;
constexpr std::size_t kLivingSamples = 200;
constexpr std::uint16_t kAnnouncedPort = 7'000;

WorldConfig world_of(const ExperimentConfig& config) {
  WorldConfig world{.seed = config.seed, .links = {}};
  world.links.loss = config.loss;
  if (config.rtt_ms) world.links.scale = *config.rtt_ms / LinkModel::median_rtt_ms(world.links);
  return world;
}

PopulationConfig population_of(const ExperimentConfig& config) {
  PopulationConfig population;
  population.nodes = config.nodes;
  population.lasting = config.subject == Subject::bootstrap ? 0 : std::min(kVantages, config.nodes / 8);
  population.dead = config.dead;
  if (config.subject == Subject::churn) population.churn = Churn(0.43, 473min / 10);
  return population;
}

class Experiment {
 public:
  Experiment(const ExperimentConfig& config, const ExperimentHooks& hooks)
      : config_(config),
        hooks_(hooks),
        world_(world_of(config)),
        crowd_(world_, population_of(config)),
        rng_(world_.fork_rng()),
        begin_(world_.now()) {
    for (std::size_t i = 0; i < population_of(config).lasting; ++i)
      vantages_.push_back(make_vantage(crowd_, i, config.policy));
  }

  ExperimentResult run() {
    if (hooks_.built) hooks_.built();
    result_.dead_begin = crowd_.dead_share(kDeadSamples);
    const std::size_t n = config_.lookups;
    for (std::size_t i = 0; i < n; ++i) hashes_.push_back(rng_.id<wire::InfoHash>());
    const bool newcomers = config_.subject == Subject::bootstrap;
    end_ = config_.warm_up + (newcomers ? kNewcomerSpacing : kSpacing) * n + (newcomers ? kNewcomerPatience : kDrain);
    const bool looks_up = config_.subject == Subject::lookup || config_.subject == Subject::churn;
    if (looks_up) place();
    if (!newcomers) rehearse();
    run_until(config_.warm_up);
    result_.dead = crowd_.dead_share(kDeadSamples);
    if (newcomers) {
      let_in();
    } else if (looks_up) {
      look_up();
    } else {
      announce();
    }
    result_.living = crowd_.living_share(kLivingSamples);
    result_.departures = crowd_.departures();
    result_.events = world_.counters().events;
    std::sort(result_.times.begin(), result_.times.end());
    return std::move(result_);
  }

 private:
  /// Virtual time since the beginning. False: somebody outside wants it to end.
  bool run_until(Duration when) {
    while (!stopped_ && world_.now() - begin_ < when) {
      world_.run_until(std::min(begin_ + when, world_.now() + kSlice));
      stopped_ = hooks_.stop && hooks_.stop();
      if (hooks_.progress) hooks_.progress(wire::to_seconds(world_.now() - begin_) / wire::to_seconds(end_));
    }
    return !stopped_;
  }
  [[nodiscard]] Vantage& vantage(std::size_t i) { return *vantages_[i % vantages_.size()]; }
  [[nodiscard]] static wire::Key key_of(const wire::InfoHash& hash) { return wire::Key{hash.bytes()}; }

  /// Nodes of the crowd announce the hashes. With a short warm-up all of it is used.
  void place() {
    const Duration last = std::max(config_.warm_up - kPlacedBefore, config_.warm_up / 2);
    const Duration first = std::max(last - kPlacing, Duration::zero());
    for (std::size_t i = 0; i < hashes_.size(); ++i) {
      const double at = static_cast<double>(i) / static_cast<double>(hashes_.size());
      world_.at(begin_ + first + wire::from_seconds(wire::to_seconds(last - first) * at), [this, i] {
        crowd_.random_open().use([&](dht::Node& node, dht::Output& out) {
          (void)node.get_peers(world_.now(), hashes_[i], dht::AnnounceSpec{.port = kAnnouncedPort}, out);
        });
      });
    }
  }

  /// Whoever learns from what the network takes to answer has had something to learn from.
  void rehearse() {
    const Duration first = std::max(config_.warm_up - kRehearsal, Duration::zero());
    for (int round = 0; round < kRehearsals; ++round) {
      for (std::size_t i = 0; i < vantages_.size(); ++i) {
        const wire::Key target = rng_.id<wire::Key>();
        world_.at(begin_ + first + round * kRehearsal / (2 * kRehearsals) + kSpacing * i / 4,
                  [this, i, target] { vantages_[i]->find_node(target); });
      }
    }
  }

  void look_up() {
    std::vector<bool> possible(hashes_.size());
    for (std::size_t i = 0; i < hashes_.size(); ++i) {
      if (!run_until(config_.warm_up + kSpacing * i)) return;
      possible[i] = crowd_.copies(hashes_[i]) > 0;
      vantage(i).tap().follow(key_of(hashes_[i]));
      vantage(i).get_peers(hashes_[i]);
    }
    if (!run_until(end_)) return;
    double queries = 0;
    for (std::size_t i = 0; i < hashes_.size(); ++i) {
      const Wiretap::Story& story = vantage(i).tap().of(key_of(hashes_[i]));
      queries += story.queries;
      result_.impossible += !possible[i];
      result_.failed += possible[i] && !story.first_value;
      result_.done += possible[i];
      if (possible[i] && story.first_value) note(*story.first_query, *story.first_value);
    }
    result_.queries = queries / static_cast<double>(hashes_.size());
  }

  void announce() {
    std::vector<std::vector<SettledCrowd::Place>> truth(hashes_.size());
    for (std::size_t i = 0; i < hashes_.size(); ++i) {
      if (!run_until(config_.warm_up + kSpacing * i)) return;
      truth[i] = crowd_.closest_reachable(key_of(hashes_[i]), kAround);
      vantage(i).tap().follow(key_of(hashes_[i]));
      vantage(i).announce(hashes_[i], kAnnouncedPort);
    }
    if (!run_until(end_)) return;
    double queries = 0;
    std::size_t told = 0, in8 = 0, in12 = 0;
    for (std::size_t i = 0; i < hashes_.size(); ++i) {
      const Wiretap::Story& story = vantage(i).tap().of(key_of(hashes_[i]));
      queries += story.queries;
      std::vector<Instant> confirmed;
      for (const Wiretap::Told& t : story.told) {
        if (!t.confirmed) continue;
        confirmed.push_back(*t.confirmed);
        const auto at = std::find_if(truth[i].begin(), truth[i].end(),
                                     [&](const SettledCrowd::Place& p) { return p.endpoint == t.whom; });
        in8 += at - truth[i].begin() < static_cast<std::ptrdiff_t>(kEnough);
        in12 += at != truth[i].end();
      }
      told += confirmed.size();
      ++result_.done;
      if (confirmed.empty()) {
        ++result_.failed;
        continue;
      }
      std::sort(confirmed.begin(), confirmed.end());
      note(*story.first_query, confirmed[std::min(confirmed.size(), kEnough) - 1]);
    }
    const auto n = static_cast<double>(hashes_.size());
    result_.queries = queries / n;
    result_.told = static_cast<double>(told) / n;
    if (told == 0) return;
    result_.inside8 = static_cast<double>(in8) / static_cast<double>(told);
    result_.inside12 = static_cast<double>(in12) / static_cast<double>(told);
  }

  void let_in() {
    struct Newcomer {
      Instant came;
      std::vector<SettledCrowd::Place> closest;
      std::unique_ptr<Vantage> vantage;
    };
    std::vector<Newcomer> newcomers;
    for (std::size_t i = 0; i < config_.lookups; ++i) {
      if (!run_until(config_.warm_up + kNewcomerSpacing * i)) return;
      const HostId host = world_.add_host({});
      const wire::NodeId id = dht::derive_id(world_.address(host), rng_);
      Newcomer newcomer{world_.now(), crowd_.closest_reachable(wire::Key{id.bytes()}, kAround), nullptr};
      newcomer.vantage = make_newcomer(crowd_, config_.policy, id, host, crowd_.introducers(kIntroducers));
      newcomers.push_back(std::move(newcomer));
    }
    if (!run_until(end_)) return;
    double queries = 0;
    for (const Newcomer& n : newcomers) {
      const Wiretap& tap = n.vantage->tap();
      std::vector<Instant> met;
      for (const SettledCrowd::Place& p : n.closest)
        if (const auto at = tap.answered(p.endpoint); at && *at - n.came <= kNewcomerPatience) met.push_back(*at);
      std::sort(met.begin(), met.end());
      ++result_.done;
      const bool in = met.size() >= kEnough;
      const Instant until = in ? met[kEnough - 1] : n.came + kNewcomerPatience;
      queries += static_cast<double>(std::upper_bound(tap.queries().begin(), tap.queries().end(), until) -
                                     tap.queries().begin());
      if (in) {
        note(n.came, until);
      } else {
        ++result_.failed;
      }
    }
    result_.queries = queries / static_cast<double>(newcomers.size());
  }

  void note(Instant from, Instant to) { result_.times.push_back(wire::to_seconds(to - from)); }

  ExperimentConfig config_;
  const ExperimentHooks& hooks_;
  World world_;
  SettledCrowd crowd_;
  wire::Rng rng_;
  Instant begin_;
  Duration end_{};
  bool stopped_ = false;
  std::vector<std::unique_ptr<Vantage>> vantages_;
  std::vector<wire::InfoHash> hashes_;
  ExperimentResult result_;
};

}  // namespace

std::optional<double> ExperimentResult::quantile(double q) const {
  if (times.empty()) return std::nullopt;
  const double rank = std::ceil(q * static_cast<double>(times.size()));
  return times[static_cast<std::size_t>(std::max(rank, 1.0)) - 1];
}

ExperimentResult run_experiment(const ExperimentConfig& config, const ExperimentHooks& hooks) {
  assert(config.nodes >= kFewestNodes && config.lookups > 0);
  return Experiment(config, hooks).run();
}

}  // namespace lodestone::tools::sim
