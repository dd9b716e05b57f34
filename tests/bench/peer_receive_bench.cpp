// SPDX-License-Identifier: Apache-2.0
// What receiving one 16 KiB block costs in a PeerConnection, beside a memcpy of the same 16 KiB. The kernel's copy into
// user memory is played by memcpy: `prepare + receive` puts the stream where prepare() says, as a readv of `read` bytes
// would, so its ratio to memcpy is 1 plus what the connection itself costs. `bookkeeping` is the same without that
// copy. Prints the ratio and the allocations per block at the end; exits 1 if a block costs more than half a copy
// beside the copy, or allocates.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include <benchmark/benchmark.h>

#include "tests/support/counted_allocations.hpp"
#include "wire/base/block.hpp"
#include "wire/base/geometry.hpp"
#include "wire/peer/handshake.hpp"
#include "wire/peer/message.hpp"
#include "wire/peer/peer_connection.hpp"

namespace {

using lodestone::test::allocations;
using namespace lodestone::wire;

constexpr std::uint32_t kBlocks = 512;  // 8 MiB, then again: more than a second-level cache
constexpr std::size_t kSegment = kPieceHeader + kBlockSize;
const Geometry kGeometry = *Geometry::make(std::uint64_t{kBlocks} * kBlockSize, 256 * 1024);

struct Result {
  double ns_per_block = 0;
  double allocations_per_block = 0;
};
std::map<std::string, Result> results;

/// All blocks of the torrent as piece messages; with `interrupt`, a have before every eighth.
ByteVector stream_of(bool interrupt) {
  ByteVector out;
  for (std::uint32_t i = 0; i < kBlocks; ++i) {
    if (interrupt && i % 8 == 4) encode_index(out, MessageId::have, PieceIndex{0});
    const BlockRange range = kGeometry.range({PieceIndex{i / 16}, i % 16});
    const auto head = piece_header(range);
    out.insert(out.end(), head.begin(), head.end());
    out.resize(out.size() + range.length, static_cast<std::uint8_t>(i));
  }
  return out;
}

PeerConnection connection(BlockPool& pool) {
  PeerConnectionConfig config;
  PeerConnection c = PeerConnection::outgoing(Instant{}, config, InfoHash{});
  PeerEvents events;
  Handshake theirs;
  theirs.fast = true;
  theirs.peer_id.bytes().fill(1);
  if (!c.set_geometry(kGeometry, events) || !c.feed(Instant{}, theirs.encode(), pool, events)) std::abort();
  return c;
}

void report(benchmark::State& state, const std::string& name, std::uint64_t allocated, double seconds) {
  const double blocks = static_cast<double>(state.iterations()) * kBlocks;
  Result& r = results[name];
  r.ns_per_block = seconds * 1e9 / blocks;
  r.allocations_per_block = static_cast<double>(allocated) / blocks;
  state.counters["ns_per_block"] = r.ns_per_block;
  state.counters["allocs_per_block"] = r.allocations_per_block;
}

/// Runs `pass` as an iteration of kBlocks blocks, timed by the processor's time.
template <class F>
void measure(benchmark::State& state, const std::string& name, F&& pass) {
  pass();  // warm
  const std::uint64_t before = allocations;
  const std::clock_t start = std::clock();
  for (auto _ : state) pass();
  const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  report(state, name, allocations - before, seconds);
}

void copy_only(benchmark::State& state) {
  const ByteVector stream = stream_of(false);
  BlockPool pool{64 * kBlockSize};
  std::array<Block, 8> blocks;
  for (Block& b : blocks) b = pool.take();
  measure(state, "memcpy", [&] {
    for (std::uint32_t i = 0; i < kBlocks; ++i) {
      std::memcpy(blocks[i % 8].buffer().data(), stream.data() + i * kSegment + kPieceHeader, kBlockSize);
      benchmark::ClobberMemory();
    }
  });
}

void feed(benchmark::State& state, const std::string& name, bool interrupt) {
  const ByteVector stream = stream_of(interrupt);
  BlockPool pool{64 * kBlockSize};
  PeerConnection c = connection(pool);
  PeerEvents events;
  const auto chunk = static_cast<std::size_t>(state.range(0));
  std::size_t got = 0;
  measure(state, name, [&] {
    for (Bytes rest = stream; !rest.empty();) {
      const Bytes now = rest.first(std::min(chunk, rest.size()));
      if (c.feed(Instant{}, now, pool, events).value_or(0) != now.size()) std::abort();
      for (const PeerEvent& e : events) got += std::holds_alternative<peer_event::BlockData>(e) ? 1 : 0;
      events.clear();
      rest = rest.subspan(now.size());
    }
  });
  if (got % kBlocks != 0) std::abort();
}

void feed_stream(benchmark::State& state) {
  feed(state, "prepare + receive, read " + std::to_string(state.range(0)), false);
}
void feed_interrupted(benchmark::State& state) {
  feed(state, "with a have every 8 blocks, read " + std::to_string(state.range(0)), true);
}

/// The stream is in the places already: only what the connection itself does. Headers alone are written.
void bookkeeping(benchmark::State& state) {
  BlockPool pool{64 * kBlockSize};
  PeerConnection c = connection(pool);
  PeerEvents events;
  std::array<MutableBytes, PeerConnection::kMaxBuffers> places;
  // One block by the slow way, so that the next ones are foretold.
  const ByteVector stream = stream_of(false);
  if (!c.feed(Instant{}, Bytes{stream}.first(8 * kSegment), pool, events)) std::abort();
  events.clear();
  measure(state, "bookkeeping", [&] {
    for (std::uint32_t i = 0; i < kBlocks;) {
      const std::size_t used = c.prepare(pool, places);
      std::size_t n = 0;
      for (std::size_t k = 0; k + 1 < used && i < kBlocks; k += 2, ++i) {
        const auto head = piece_header(kGeometry.range({PieceIndex{i / 16}, i % 16}));
        std::copy(head.begin(), head.end(), places[k].begin());
        n += kSegment;
      }
      if (n == 0 || !c.receive(Instant{}, n, events)) std::abort();
      benchmark::DoNotOptimize(events.data());
      events.clear();
    }
  });
}

BENCHMARK(copy_only);
BENCHMARK(feed_stream)->Arg(16 * 1024)->Arg(64 * 1024)->Arg(128 * 1024);
BENCHMARK(feed_interrupted)->Arg(128 * 1024);
BENCHMARK(bookkeeping);

/// True when the aim is met; prints the table.
bool verdict() {
  const auto copy = results.find("memcpy");
  const auto own = results.find("bookkeeping");
  if (copy == results.end() || own == results.end()) return true;  // a filtered run judges nothing
  std::printf("\n%-45s %10s %8s %14s\n", "one 16 KiB block", "ns", "ratio", "allocations");
  bool fine = own->second.ns_per_block <= copy->second.ns_per_block / 2;
  for (const auto& [name, r] : results) {
    std::printf("%-45s %10.1f %8.3f %14.4f\n", name.c_str(), r.ns_per_block, r.ns_per_block / copy->second.ns_per_block,
                r.allocations_per_block);
    fine = fine && r.allocations_per_block < 0.001;
  }
  std::printf("aim: at most half a copy beside the copy, no allocation: %s\n", fine ? "held" : "MISSED");
  return fine;
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return verdict() ? 0 : 1;
}
