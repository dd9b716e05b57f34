// SPDX-License-Identifier: Apache-2.0
// What stored peers cost: 1,000,000 v4 peers over 100,000 hashes, in a few and in many hands, by what the store says it
// holds and by the resident size of the process. The aim is 24 MiB;
// the program says so at the end and exits 1 if it is missed.
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <memory>
#include <vector>

#include <benchmark/benchmark.h>
#include <malloc.h>

#include "dht/node.hpp"
#include "dht/peer_store.hpp"

namespace {

using namespace lodestone;
using namespace std::chrono_literals;

constexpr std::size_t kPeers = 1'000'000;
constexpr std::size_t kHashes = 100'000;
constexpr double kTargetBytes = 24 << 20;

double worst = 0;
bool complete = true;

double resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  double size = 0, resident = 0;
  statm >> size >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE));
}

/// Peers come in any order, as announces do. Skewed: half of them belong to one hash in a hundred.
void full_store(benchmark::State& state, bool skewed) {
  for (auto _ : state) {
    auto rng = wire::Rng::from_number(1);
    const auto limits = dht::Limits::node();
    std::vector<wire::Key> hashes;
    for (std::size_t i = 0; i < kHashes; ++i) hashes.push_back(rng.id<wire::Key>());
    malloc_trim(0);  // what the last run gave back
    const double before = resident_bytes();
    const wire::Instant now{1h};
    dht::PeerStore store{
        now,
        wire::Family::v4,
        rng.id<wire::NodeId>(),
        {limits.peers_per_hash, limits.peers_total, limits.hashes_total, limits.peer_expiry, limits.peer_store_bytes},
        true};
    for (std::uint32_t i = 0; store.peers() < kPeers && i < 2 * kPeers; ++i) {
      const bool popular = skewed && rng.chance(0.5);
      const auto h = i < kHashes ? i : rng.below(popular ? kHashes / 100 : kHashes);
      (void)store.add(now, hashes[h], {wire::Address::v4(0x10000000u + i), 6881});
    }
    complete = complete && store.peers() == kPeers && store.hashes() == kHashes;
    const double resident = resident_bytes() - before;
    worst = std::max({worst, resident, static_cast<double>(store.bytes())});
    state.counters["MiB_held"] = static_cast<double>(store.bytes()) / (1 << 20);
    state.counters["MiB_resident"] = resident / (1 << 20);
    state.counters["hashes"] = static_cast<double>(store.hashes());
    state.counters["peers"] = static_cast<double>(store.peers());
  }
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RegisterBenchmark("even", full_store, false)->Iterations(1)->Unit(benchmark::kMillisecond);
  benchmark::RegisterBenchmark("skewed", full_store, true)->Iterations(1)->Unit(benchmark::kMillisecond);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  const bool held = complete && worst > 0 && worst <= kTargetBytes;
  std::printf("\n1,000,000 peers over 100,000 hashes: at most %.1f MiB; target: 24 MiB: %s\n", worst / (1 << 20),
              held ? "held" : "MISSED");
  return held ? 0 : 1;
}
