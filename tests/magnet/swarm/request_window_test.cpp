// SPDX-License-Identifier: Apache-2.0
#include "magnet/swarm/request_window.hpp"

#include <deque>

#include <catch2/catch.hpp>

namespace lodestone::magnet {
namespace {

using namespace std::chrono_literals;
constexpr wire::Instant kStart{1h};

wire::BlockRef block(std::uint32_t n) { return {wire::PieceIndex{n / 64}, n % 64}; }

/// A peer that answers in order at `rate` bytes/s after half a round trip each way.
struct Remote {
  wire::Duration rtt;
  double rate;
  RequestWindow window = {};
  wire::Instant now = kStart;
  std::uint32_t next = 0;
  std::size_t most = 0;
  std::uint64_t received = 0;
  struct Answer {
    wire::BlockRef ref;
    wire::Instant at;
  };
  std::deque<Answer> answers = {};
  wire::Instant free_at = kStart;

  void run(wire::Duration time) {
    const wire::Instant end = now + time;
    for (;;) {
      if (window.wants_refill()) {
        for (std::size_t n = window.room(); n > 0; --n) {
          window.sent(now, block(next));
          free_at = std::max(free_at, now + rtt / 2) + wire::from_seconds(wire::kBlockSize / rate);
          answers.push_back({block(next), free_at + rtt / 2});
          ++next;
        }
      }
      most = std::max(most, window.live());
      if (next % 64 == 0) window.check_invariants();
      if (answers.front().at > end) break;
      now = answers.front().at;
      if (window.received(now, answers.front().ref, wire::kBlockSize) != RequestWindow::Answer::asked) FAIL();
      received += wire::kBlockSize;
      answers.pop_front();
    }
    now = end;
  }
};

TEST_CASE("W6 the window is rate x (RTT + slack): it fills the pipe and does not flood it") {
  const auto rtt = GENERATE(1ms, 20ms, 100ms, 300ms);
  const double rate = GENERATE(50e3, 1e6, 10e6, 60e6);
  Remote r{rtt, rate};
  r.window.set_peer_queue(2'000);
  r.run(10s);
  const std::uint64_t before = r.received;
  r.run(10s);
  INFO("rtt " << wire::to_seconds(rtt) << " rate " << rate);
  const double cap = std::min(rate, 2'000.0 * wire::kBlockSize / wire::to_seconds(rtt));
  CHECK(static_cast<double>(r.received - before) / 10 > 0.9 * cap);
  const double pipe = rate * wire::to_seconds(rtt + RequestWindow::kSlack) / wire::kBlockSize;
  CHECK(static_cast<double>(r.window.size()) < std::max(8.0, 2 * pipe + 4));
  CHECK(r.window.size() >= RequestWindow::kFloor);
}

TEST_CASE("W6 floor 4, and never beyond the peer's reqq or 2000") {
  RequestWindow w;
  CHECK(w.size() == RequestWindow::kFloor);
  w.set_peer_queue(2);
  CHECK(w.size() == 2);
  w.set_peer_queue(0);
  CHECK(w.size() == 1);
  Remote r{200ms, 1e9};
  r.window.set_peer_queue(4'000'000'000u);
  r.run(5s);
  CHECK(r.most == RequestWindow::kCap);
  Remote d{200ms, 1e9};
  d.run(5s);
  CHECK(d.most == RequestWindow::kDefaultQueue);
}

TEST_CASE("W6 slow start doubles the window each round trip") {
  Remote r{100ms, 1e9};
  r.window.set_peer_queue(2'000);
  CHECK(r.window.in_slow_start());
  double least = RequestWindow::kFloor;
  for (int trip = 1; trip <= 7; ++trip) {
    r.run(101ms);
    least *= 1.8;  // refills wait until they are worth it, which costs a little
    CHECK(static_cast<double>(r.window.size()) >= least);
  }
}

TEST_CASE("W5 nothing for 20 s: snubbed, all requests given up, then single probes; a block ends it") {
  RequestWindow w;
  for (std::uint32_t i = 0; i < 4; ++i) w.sent(kStart, block(i));
  std::vector<wire::BlockRef> out;
  CHECK_FALSE(w.advance(kStart + 19s, out));
  CHECK(out.empty());
  CHECK(w.advance(kStart + 20s, out));
  CHECK(out.size() == 4);
  CHECK(w.snubbed());
  CHECK(w.live() == 0);
  CHECK(w.room() == 1);
  w.sent(kStart + 20s, block(9));
  CHECK(w.room() == 0);
  out.clear();
  CHECK_FALSE(w.advance(kStart + 40s, out));  // it has been snubbed before
  CHECK(out == std::vector{block(9)});
  // What was given up is still taken when it comes.
  CHECK(w.received(kStart + 41s, block(2), wire::kBlockSize) == RequestWindow::Answer::given_up);
  CHECK_FALSE(w.snubbed());
  CHECK(w.room() >= RequestWindow::kFloor);
  CHECK(w.received(kStart + 41s, block(2), wire::kBlockSize) == RequestWindow::Answer::unasked);
  w.check_invariants();
}

TEST_CASE("W5 a block asked again of the peer that had let it lie is one request, not two") {
  RequestWindow w;
  for (std::uint32_t i = 0; i < 4; ++i) w.sent(kStart, block(i));
  std::vector<wire::BlockRef> out;
  REQUIRE(w.advance(kStart + 20s, out));
  w.sent(kStart + 20s, block(0));  // the probe
  CHECK(w.received(kStart + 21s, block(0), wire::kBlockSize) == RequestWindow::Answer::asked);
  CHECK(w.live() == 0);
  CHECK_FALSE(w.has(block(0)));
  out.clear();
  CHECK_FALSE(w.advance(kStart + 90s, out));
  CHECK(out.empty());
  w.check_invariants();
}

TEST_CASE("W5 a block that comes now and then keeps a slow peer unsnubbed") {
  RequestWindow w;
  for (std::uint32_t i = 0; i < 4; ++i) w.sent(kStart, block(i));
  std::vector<wire::BlockRef> out;
  for (std::uint32_t i = 0; i < 3; ++i) {
    const auto at = kStart + 15s * (i + 1);
    CHECK_FALSE(w.advance(at, out));
    w.received(at, block(i), wire::kBlockSize);
  }
  CHECK(out.empty());
  // One request that is skipped while later ones are answered is given up alone.
  for (std::uint32_t i = 10; i < 20; ++i) {
    w.sent(kStart + 50s, block(i));
    w.received(kStart + 51s + 1s * i, block(i), wire::kBlockSize);
  }
  CHECK_FALSE(w.advance(kStart + 61s, out));
  CHECK(out == std::vector{block(3)});
}

TEST_CASE("rejects and clears return requests; unknown ones are told apart") {
  RequestWindow w;
  for (std::uint32_t i = 0; i < 4; ++i) w.sent(kStart, block(i));
  CHECK(w.forget(block(1)) == RequestWindow::Answer::asked);
  CHECK(w.forget(block(1)) == RequestWindow::Answer::unasked);
  CHECK(w.position(block(2)) == 1);
  CHECK(w.has(block(3)));
  CHECK_FALSE(w.has(block(1)));
  std::vector<wire::BlockRef> live;
  w.clear(live);
  CHECK(live == std::vector{block(0), block(2), block(3)});
  CHECK(w.live() == 0);
  CHECK(w.received(kStart, block(0), 1) == RequestWindow::Answer::unasked);
}

TEST_CASE("late requests are told once each") {
  RequestWindow w;
  w.sent(kStart, block(0));
  w.sent(kStart + 3s, block(1));
  std::vector<wire::BlockRef> late;
  w.collect_late(kStart + 4s, late);
  CHECK(late.empty());
  w.collect_late(kStart + 6s, late);
  CHECK(late == std::vector{block(0)});
  w.collect_late(kStart + 9s, late);
  CHECK(late == std::vector{block(0), block(1)});
  CHECK(w.live() == 2);
  w.check_invariants();
}

TEST_CASE("answers in any order, from a peer that never answers the first request, cost bounded memory") {
  RequestWindow w;
  w.set_peer_queue(100);
  w.sent(kStart, block(0));
  auto now = kStart;
  for (std::uint32_t i = 1; i < 20'000; ++i) {
    now += 1ms;
    w.sent(now, block(i));
    if (w.received(now, block(i), wire::kBlockSize) != RequestWindow::Answer::asked) FAIL();
    if (i % 1'000 == 0) w.check_invariants();
  }
  CHECK(w.live() == 1);
}

TEST_CASE("D4 what is far away in time need not be counted; what a near peer can send at once must be") {
  Remote near{1ms, 300e6};
  near.run(10s);
  CHECK(near.window.distant_bytes(near.now) == 0);
  Remote far{100ms, 60e6};
  far.window.set_peer_queue(2'000);
  far.run(10s);
  CHECK(far.window.distant_bytes(far.now) > 5'000'000);
  CHECK(far.window.distant_bytes(far.now) < 8'000'000);
  Remote slow{50ms, 10e3};
  slow.run(20s);
  CHECK(slow.window.distant_bytes(slow.now) > 3 * wire::kBlockSize);
  RequestWindow fresh;
  fresh.sent(kStart, block(0));
  CHECK(fresh.distant_bytes(kStart + 1s) == 0);
}

}  // namespace
}  // namespace lodestone::magnet
