// SPDX-License-Identifier: Apache-2.0
// What simulated DHT nodes cost: memory of a node with a full table ((RSS with the network - RSS before) / nodes), and
// how many events a second the simulator gets through while the network joins, settles and looks things up.
#include <unistd.h>

#include <cstdint>
#include <fstream>

#include <benchmark/benchmark.h>

#include "dht/node.hpp"
#include "tools/sim/crowd.hpp"

namespace {

using namespace lodestone;
using namespace lodestone::tools::sim;
using namespace std::chrono_literals;

double resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  double size = 0, resident = 0;
  statm >> size >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE));
}

/// Joining within a minute and fifteen minutes of settling, then one lookup of every node.
void network(benchmark::State& state) {
  const auto nodes = static_cast<std::size_t>(state.range(0));
  for (auto _ : state) {
    const double before = resident_bytes();
    World world({.seed = 1, .links = {}});
    Crowd crowd(world, {.nodes = nodes, .nat = {}, .adjust = nullptr});
    crowd.join_all(15min);
    for (const Crowd::Index index : crowd.living()) {
      (void)crowd.find_node(index, world.rng().id<wire::Key>());
      world.run_for(10ms);
    }
    world.run_for(20s);
    state.PauseTiming();
    std::size_t table = 0;
    for (const Crowd::Index index : crowd.living()) table += crowd[index].node().table_size();
    state.counters["events/s"] =
        benchmark::Counter(static_cast<double>(world.counters().events), benchmark::Counter::kIsRate);
    state.counters["bytes/node"] = (resident_bytes() - before) / static_cast<double>(nodes);
    state.counters["contacts/node"] = static_cast<double>(table) / static_cast<double>(nodes);
    state.counters["datagrams/node"] =
        static_cast<double>(world.counters().datagrams_sent) / static_cast<double>(nodes);
    state.ResumeTiming();
  }
}
BENCHMARK(network)->Arg(3'000)->Iterations(1)->Unit(benchmark::kMillisecond);

}  // namespace
