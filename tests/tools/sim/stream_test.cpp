// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/stream.hpp"

#include <optional>

#include <catch2/catch.hpp>

using namespace lodestone::tools::sim;
using namespace std::chrono_literals;
using lodestone::wire::ByteVector;
using lodestone::wire::to_seconds;

namespace {

/// Reads all it gets, remembers what happened.
struct Party final : StreamObserver {
  explicit Party(World& w, Streams& s) : world(w), streams(s) {}
  void on_accept(StreamKey s, const Endpoint&) override { stream = s; }
  void on_dialled(const Endpoint&, DialOutcome o, StreamKey s) override {
    outcome = o;
    dialled_at = world.now();
    stream = s;
  }
  void on_readable(StreamKey s) override {
    if (!reading) return;
    const Bytes bytes = streams.readable(s);
    got.insert(got.end(), bytes.begin(), bytes.end());
    streams.consume(s, bytes.size());
    last = world.now();
  }
  void on_writable(StreamKey) override { push(); }
  void on_end(StreamKey) override { ended = true; }
  /// Writes as much of `to_send` as goes.
  void push() {
    while (sent < to_send.size()) {
      const std::size_t n = streams.write(stream, Bytes{to_send}.subspan(sent));
      if (n == 0) return;
      sent += n;
    }
  }

  World& world;
  Streams& streams;
  StreamKey stream;
  std::optional<DialOutcome> outcome;
  Instant dialled_at{}, last{};
  ByteVector got, to_send;
  std::size_t sent = 0;
  bool reading = true, ended = false;
};

struct Bench {
  explicit Bench(const LinkModelConfig& links = LinkModelConfig::fixed(50))
      : world({.seed = 1, .links = links}),
        streams(world),
        a(world, streams),
        b(world, streams),
        host_a(world.add_host({})),
        host_b(world.add_host({})) {}
  void connect() {
    streams.listen(host_b, 80, b);
    streams.dial(host_a, {world.address(host_b), 80}, a);
    world.run_for(1s);
    REQUIRE(a.outcome == DialOutcome::connected);
  }
  World world;
  Streams streams;
  Party a, b;
  HostId host_a, host_b;
};

ByteVector content(std::size_t n) {
  ByteVector bytes(n);
  lodestone::wire::Rng::from_number(3).fill(bytes);
  return bytes;
}

}  // namespace

TEST_CASE("sim: dialling takes a round trip, or is refused in one, or times out") {
  Bench t;
  const Instant start = t.world.now();
  t.connect();
  CHECK(t.a.dialled_at - start == 100ms);

  const Instant again = t.world.now();
  t.streams.dial(t.host_a, {t.world.address(t.host_b), 81}, t.a);
  t.world.run_for(1s);
  CHECK(t.a.outcome == DialOutcome::refused);
  CHECK(t.a.dialled_at - again == 100ms);

  const HostId hidden = t.world.add_host({.nat = NatKind::full_cone});
  t.streams.listen(hidden, 80, t.b);
  const Instant third = t.world.now();
  t.streams.dial(t.host_a, {t.world.address(hidden), 80}, t.a);
  t.world.run_for(10s);
  CHECK(t.a.outcome == DialOutcome::timed_out);
  CHECK(t.a.dialled_at - third == 5s);

  t.world.set_up(t.host_b, false);
  t.a.outcome.reset();
  t.streams.dial(t.host_a, {t.world.address(t.host_b), 80}, t.a);
  t.world.run_for(10s);
  CHECK(t.a.outcome == DialOutcome::timed_out);
}

TEST_CASE("sim: bytes arrive complete and in order, with loss and jitter, too") {
  LinkModelConfig links;
  links.loss = 0.1;
  Bench t(links);
  t.connect();
  t.a.to_send = content(1'000'000);
  t.a.push();
  t.world.run_for(60s);
  CHECK(t.b.got == t.a.to_send);
}

TEST_CASE("sim: a stream is as fast as the slower of the two lines") {
  Bench t;
  t.connect();
  t.streams.set_rate(t.host_a, {.up_bytes_per_second = 1e6, .down_bytes_per_second = 1e9});
  t.streams.set_rate(t.host_b, {.up_bytes_per_second = 1e9, .down_bytes_per_second = 5e6});
  t.a.to_send = content(4'000'000);
  const Instant start = t.world.now();
  t.a.push();
  t.world.run_for(60s);
  REQUIRE(t.b.got.size() == t.a.to_send.size());
  CHECK(to_seconds(t.b.last - start) == Approx(4.05).epsilon(0.02));
  CHECK(t.streams.sent_by(t.host_a) == 4'000'000);
}

TEST_CASE("sim: one line is shared fairly by its streams") {
  Bench t;
  t.connect();
  Party c(t.world, t.streams), d(t.world, t.streams);
  const HostId third = t.world.add_host({});
  t.streams.listen(third, 80, d);
  t.streams.dial(t.host_a, {t.world.address(third), 80}, c);
  t.world.run_for(1s);
  t.streams.set_rate(t.host_a, {.up_bytes_per_second = 1e6, .down_bytes_per_second = 1e9});
  t.a.to_send = content(2'000'000);
  c.to_send = t.a.to_send;
  t.a.push();
  c.push();
  t.world.run_for(2s);
  CHECK(t.b.got.size() > 850'000);
  CHECK(d.got.size() > 850'000);
  t.world.run_for(10s);
  CHECK(d.got == c.to_send);
}

TEST_CASE("sim: a reader that does not read stops the writer") {
  Bench t;
  t.connect();
  t.b.reading = false;
  t.a.to_send = content(2'000'000);
  t.a.push();
  t.world.run_for(60s);
  CHECK(t.a.sent <= (256 + 64) * 1024);
  t.b.reading = true;
  t.b.on_readable(t.b.stream);
  t.world.run_for(60s);
  CHECK(t.b.got == t.a.to_send);
}

TEST_CASE("sim: what was written before a close still arrives, then the end") {
  Bench t;
  t.connect();
  t.a.to_send = content(60'000);
  t.a.push();
  t.streams.close(t.a.stream);
  CHECK_FALSE(t.streams.open(t.a.stream));
  CHECK(t.streams.write(t.a.stream, t.a.to_send) == 0);
  CHECK_FALSE(t.b.ended);
  t.world.run_for(5s);
  CHECK(t.b.got == t.a.to_send);
  CHECK(t.b.ended);
  CHECK_FALSE(t.a.ended);  // who closed is told nothing
  CHECK_FALSE(t.streams.open(t.b.stream));
}

TEST_CASE("sim: both ends may close at once") {
  Bench t;
  t.connect();
  t.streams.close(t.a.stream);
  t.streams.close(t.b.stream);
  t.world.run_for(5s);
  CHECK_FALSE(t.a.ended);
  CHECK_FALSE(t.b.ended);
}
