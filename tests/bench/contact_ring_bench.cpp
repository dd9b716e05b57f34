// SPDX-License-Identifier: Apache-2.0
// What a large introducer costs: 10,000,000 v4 nodes in its ring and 5,000,000 newcomers that wait for their ping, by
// the resident size of the process, and how much CPU time one visit, one answered ping and one restart take with all of
// them there. The aims are 32 bytes a node, 420 MB in all and a restart within 3 s; the program says so at the end and
// exits 1 if one is missed.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <memory>

#include "dht/introducer.hpp"
#include "dht/node_id_security.hpp"

namespace {

using namespace lodestone;
using namespace std::chrono_literals;

constexpr std::uint32_t kNodes = 10'000'000;
constexpr std::uint32_t kWaiting = 5'000'000;
constexpr std::uint32_t kVisits = 1'000'000;
constexpr double kTargetMB = 420;
constexpr double kTargetRestart = 3;  // seconds

double resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  double size = 0, resident = 0;
  statm >> size >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE));
}

class Memory {
 public:
  explicit Memory(std::size_t bytes) : bytes_(bytes) {
    at_ = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at_ == MAP_FAILED) throw std::bad_alloc();
    ::madvise(at_, bytes, MADV_HUGEPAGE);
  }
  ~Memory() { ::munmap(at_, bytes_); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  [[nodiscard]] wire::MutableBytes bytes() const { return {static_cast<std::uint8_t*>(at_), bytes_}; }

 private:
  void* at_;
  std::size_t bytes_;
};

double cpu_ns() { return static_cast<double>(std::clock()) * (1e9 / CLOCKS_PER_SEC); }

/// Different for each n below 2^25, all over a part of the unicast space where nothing is reserved.
wire::Address address(std::uint32_t n) {
  const std::uint32_t mixed = n * 0x9e3779b1u;
  return wire::Address::v4((16 + (mixed >> 24) % 80) << 24 | (mixed & 0xffffff));
}

/// Of CPU time: others may be at work on this machine.
class Stopwatch {
 public:
  /// Nanoseconds for each of n.
  [[nodiscard]] double each(std::size_t n) const { return (cpu_ns() - start_) / static_cast<double>(n); }

 private:
  double start_ = cpu_ns();
};

dht::NodeConfig config() {
  dht::NodeConfig c;
  c.limits = dht::Limits::bootstrap();
  c.limits.ring_size = kNodes;
  c.limits.ping_queue = kWaiting;
  c.limits.visitors = 4'000'000;
  c.limits.early_ring = 0;
  return c;
}

}  // namespace

int main() {
  auto rng = wire::Rng::from_number(1);
  const double before = resident_bytes();
  const std::size_t bytes = dht::Introducer::bytes_for(wire::Family::v4, config().limits);
  const Memory memory(bytes);
  const wire::Instant start{1h};
  dht::Introducer introducer(start, config(), memory.bytes(), rng);
  wire::DatagramBatch out;

  std::uint32_t n = 0;
  const Stopwatch filling;
  for (; introducer.ring().size() < kNodes && n < 2 * kNodes; ++n) {
    const wire::Address a = address(n);
    introducer.answered(start, {dht::derive_id(a, static_cast<std::uint8_t>(n), rng), {a, 6881}}, rng);
  }
  const double added_ns = filling.each(n);
  const double with_ring = resident_bytes() - before;

  std::uint32_t offered = 0;
  for (; introducer.queued() < kWaiting - kWaiting / 100 && offered < 40'000'000; ++offered, ++n) {
    const dht::Contact newcomer{{}, {address(n), 6881}};
    (void)introducer.asked_by(start + 1min, newcomer, false, true, rng, out);
  }
  const double resident = resident_bytes() - before;

  // With all of them there, somebody visits: known ones, and strangers.
  const wire::Instant later = start + 5min;
  std::size_t handed = 0;
  const Stopwatch visiting;
  for (std::uint32_t i = 0; i < kVisits; ++i) {
    const dht::Contact asker{{}, {address(i * 31), 6881}};
    const std::size_t wanted = introducer.asked_by(later, asker, false, true, rng, out);
    handed += introducer.hand_out(wanted, asker.endpoint).count();
  }
  const double visit_ns = visiting.each(kVisits);
  const Stopwatch answering;
  for (std::uint32_t i = 0; i < kVisits; ++i) {
    const wire::Address a = address(i * 7);
    introducer.answered(start + 20min, {dht::derive_id(a, 1, rng), {a, 6881}}, rng);
  }
  const double renewed_ns = answering.each(kVisits);

  // A restart; the file has been read.
  const wire::Bytes ring = introducer.ring().contacts();
  const Memory second(bytes);
  dht::NodeConfig again = config();
  again.policy.allow(wire::AddressKind::global);
  again.introducer_memory = second.bytes();
  dht::Node restarted(start, std::move(again), rng.fork());
  const Stopwatch restoring;
  restarted.restore_ring(ring);
  const double restored_s = restoring.each(1) / 1e9;

  const double each = static_cast<double>(dht::ContactRing::bytes_for(wire::Family::v4, kNodes)) / kNodes;
  std::printf("ring: %zu nodes, %.2f bytes each (%.2f resident), %.0f ns to add one\n", introducer.ring().size(), each,
              with_ring / static_cast<double>(introducer.ring().size()), added_ns);
  std::printf("queue: %zu wait, of %u offered\n", introducer.queued(), offered);
  std::printf("visit: %.0f ns, %.1f nodes; an answered ping: %.0f ns\n", visit_ns,
              static_cast<double>(handed) / kVisits, renewed_ns);
  std::printf("restart: %zu restored in %.2f s\n", restarted.ring_size(), restored_s);
  std::printf("resident: %.1f MB (visitors: %.1f)\n", resident / 1e6,
              static_cast<double>(dht::Visitors::bytes_for(config().limits.visitors)) / 1e6);
  const bool held = introducer.ring().size() == kNodes && each <= 32 && resident > 0 && resident / 1e6 <= kTargetMB &&
                    restarted.ring_size() == kNodes && restored_s <= kTargetRestart;
  std::printf("\n10,000,000 nodes and 5,000,000 in line: %.1f MB; target: %.0f MB: %s\n", resident / 1e6, kTargetMB,
              held ? "held" : "MISSED");
  return held ? 0 : 1;
}
