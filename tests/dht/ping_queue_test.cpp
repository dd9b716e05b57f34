// SPDX-License-Identifier: Apache-2.0
#include "dht/ping_queue.hpp"

#include <map>
#include <vector>

#include <catch2/catch.hpp>

using namespace lodestone;
using namespace std::chrono_literals;
using dht::PingQueue;
using Verdict = PingQueue::Verdict;
using wire::Address;
using wire::Endpoint;
using wire::Family;

namespace {

constexpr wire::Instant kStart{1h};

struct Bench {
  explicit Bench(std::size_t capacity)
      : memory(PingQueue::bytes_for(Family::v4, capacity)), queue(Family::v4, capacity, 15min, names, memory) {}
  Verdict push(wire::Instant now, const Endpoint& e) { return queue.push(now, e, names.of(e), rng); }

  wire::Rng rng = wire::Rng::from_number(1);
  dht::AddressNames names{Family::v4, false, wire::SipKey{3}};
  wire::ByteVector memory;
  PingQueue queue;
};

Endpoint endpoint(std::uint32_t n) { return {Address::v4(0x0b000000u + n), 6881}; }

}  // namespace

TEST_CASE("T2 who came is due a quarter of an hour later, in the order of coming") {
  Bench b{1'000};
  CHECK(b.queue.next_deadline() == wire::kNever);
  for (std::uint32_t i = 0; i < 100; ++i) CHECK(b.push(kStart + i * 1s, endpoint(i)) == Verdict::queued);
  CHECK(b.queue.size() == 100);
  CHECK_FALSE(b.queue.take_due(kStart + 15min - 1ns));
  std::uint32_t next = 0;
  for (wire::Instant now = kStart; now < kStart + 20min; now += 1s) {
    while (const auto e = b.queue.take_due(now)) {
      CHECK(*e == endpoint(next));
      const wire::Instant came = kStart + next * 1s;
      CHECK(now - came >= 15min);
      CHECK(now - came <= 15min + 5s);
      ++next;
    }
  }
  CHECK(next == 100);
  CHECK(b.queue.next_deadline() == wire::kNever);
}

TEST_CASE("nobody waits twice, and who has been taken may come again") {
  Bench b{1'000};
  auto rng = wire::Rng::from_number(2);
  std::map<std::uint32_t, wire::Instant> model;
  wire::Instant now = kStart;
  for (int step = 0; step < 50'000; ++step) {
    now += wire::from_seconds(rng.unit() * 5);
    while (const auto e = b.queue.take_due(now)) {
      const std::uint32_t n = wire::load_be32(e->address.bytes().data()) - 0x0b000000u;
      REQUIRE(model.contains(n));
      CHECK(now - model[n] >= 15min);
      model.erase(n);
    }
    const auto n = static_cast<std::uint32_t>(rng.below(600));
    // Another port is the same source.
    const auto port = static_cast<std::uint16_t>(1'000 + rng.below(10));
    const Verdict verdict = b.push(now, {endpoint(n).address, port});
    CHECK((verdict == Verdict::here) == model.contains(n));
    if (verdict == Verdict::queued) model.emplace(n, now);
    REQUIRE(b.queue.size() == model.size());
    if (step % 1'000 == 0) b.queue.check_invariants();
  }
}

TEST_CASE("S4 whoever floods the queue does not shut the others out") {
  Bench b{10'000};
  std::uint32_t flooder = 1u << 20, honest = 0, let_in = 0, full = 0;
  // A hundred newcomers a second who do not exist, and one who does, for an hour.
  for (int second = 0; second < 3'600; ++second) {
    const wire::Instant now = kStart + second * 1s;
    while (b.queue.take_due(now)) {
    }
    for (int i = 0; i < 100; ++i) full += b.push(now, endpoint(flooder++)) == Verdict::full;
    let_in += b.push(now, endpoint(honest++)) == Verdict::queued;
    CHECK(b.queue.size() <= 10'000);
  }
  CHECK(full > 300'000);
  // The queue has room for 11 a second; the share that gets in is the same for all.
  CHECK(let_in >= 200);
  b.queue.check_invariants();
}

TEST_CASE("5,000,000 in line take less than 11 bytes each") {
  CHECK(PingQueue::bytes_for(Family::v4, 5'000'000) < 5'000'000 * 11);
}
