// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/swarm_experiment.hpp"

#include <algorithm>
#include <cassert>
#include <memory>

#include "tools/sim/crowd.hpp"
#include "tools/sim/torrent_host.hpp"

namespace lodestone::tools::sim {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kPieceLength = 256 * 1024;
constexpr Duration kSettle = 2min;
constexpr Duration kSeedAhead = 20s;
constexpr Duration kArrivals = 10s;
constexpr Duration kPatience = 30min;
constexpr Duration kSwarmSlice = 1s;
constexpr LineRate kLine = {2e6, 8e6};

WorldConfig world_of(const SwarmConfig& config) {
  WorldConfig world{.seed = config.seed, .links = {}};
  world.links.loss = config.loss;
  if (config.rtt_ms) world.links.scale = *config.rtt_ms / LinkModel::median_rtt_ms(world.links);
  return world;
}

}  // namespace

ExperimentResult run_swarm(const SwarmConfig& config, const ExperimentHooks& hooks) {
  assert(config.nodes > 0 && config.peers > 0 && config.bytes > 0);
  World world(world_of(config));
  Streams streams(world);
  dht::Output arena;
  Crowd crowd(world, {.nodes = config.nodes, .nat = {}, .join_window = 20s, .adjust = nullptr});
  if (hooks.built) hooks.built();
  crowd.join_all(kSettle);
  const Sample sample = make_sample(world.rng(), {config.bytes}, kPieceLength);

  struct Peer {
    std::unique_ptr<TorrentHost> host;
    Instant came{};
  };
  std::vector<Peer> peers;
  const auto add = [&](bool seed) {
    TorrentHostSpec spec;
    spec.info_hash = sample.info_hash();
    spec.seed = seed ? &sample : nullptr;
    spec.rate = kLine;
    spec.introducers = {crowd.introducer()};
    peers.push_back({std::make_unique<TorrentHost>(world, streams, spec, arena), world.now()});
    peers.back().host->start();
  };
  add(true);
  world.run_for(kSeedAhead);
  std::vector<Duration> arrivals;
  for (std::size_t i = 0; i < config.peers; ++i)
    arrivals.push_back(wire::from_seconds(wire::to_seconds(kArrivals) * world.rng().unit()));
  std::sort(arrivals.begin(), arrivals.end());
  const Instant begin = world.now();
  const auto finished = [&] {
    return std::count_if(peers.begin(), peers.end(), [](const Peer& p) { return p.host->finished(); });
  };
  const auto all = static_cast<std::ptrdiff_t>(config.peers + 1);
  ExperimentResult result;
  while (world.now() - begin < kPatience && finished() < all) {
    if (hooks.stop && hooks.stop()) return result;
    const Instant until = world.now() + kSwarmSlice;
    for (; peers.size() <= config.peers && begin + arrivals[peers.size() - 1] <= until; add(false))
      world.run_until(begin + arrivals[peers.size() - 1]);
    world.run_until(until);
    if (hooks.progress) hooks.progress(static_cast<double>(finished()) / static_cast<double>(all));
  }
  double queries = 0;
  for (std::size_t i = 1; i < peers.size(); ++i) {
    const Peer& peer = peers[i];
    ++result.done;
    queries += static_cast<double>(peer.host->dht().counters().queries_out);
    if (peer.host->finished() && sample.is_on(peer.host->disk())) {
      result.times.push_back(wire::to_seconds(*peer.host->finished_at() - peer.came));
    } else {
      ++result.failed;
    }
  }
  result.queries = queries / static_cast<double>(config.peers);
  result.events = world.counters().events;
  std::sort(result.times.begin(), result.times.end());
  return result;
}

}  // namespace lodestone::tools::sim
