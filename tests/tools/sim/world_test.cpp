// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/world.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

using namespace lodestone::tools::sim;
using namespace std::chrono_literals;
using lodestone::wire::AddressKind;

TEST_CASE("sim: events come in order of time, then of insertion") {
  World world({.seed = 1, .links = {}});
  std::string order;
  const Instant start = world.now();
  world.at(start + 2s, [&] { order += 'c'; });
  world.at(start + 1s, [&] {
    order += 'a';
    world.at(world.now(), [&] { order += 'x'; });  // now is after what is queued for now
  });
  world.at(start + 1s, [&] { order += 'b'; });
  world.run_until(start + 1s);
  CHECK(order == "abx");
  CHECK(world.now() == start + 1s);
  world.run_for(10s);
  CHECK(order == "abxc");
  CHECK(world.now() == start + 11s);
  CHECK_FALSE(world.step());
}

TEST_CASE("sim: a timer fires once an arming, at the last deadline it was given, and not after its end") {
  World world({.seed = 1, .links = {}});
  const Instant start = world.now();
  std::vector<Duration> fired;
  auto timer = std::make_unique<Timer>(world, [&] { fired.push_back(world.now() - start); });
  timer->arm(start + 5s);
  timer->arm(start + 9s);  // later
  world.run_for(8s);
  CHECK(fired.empty());
  timer->arm(start + 8500ms);  // earlier
  world.run_for(8s);
  REQUIRE(fired.size() == 1);
  CHECK(fired[0] == 8500ms);
  timer->arm(start + 20s);
  timer->disarm();
  world.run_for(20s);
  CHECK(fired.size() == 1);
  timer->arm(world.now() + 1s);
  timer.reset();
  world.run_for(2s);
  CHECK(fired.size() == 1);
}

TEST_CASE("sim: a datagram takes the time between two places and keeps its sender and bytes") {
  World world({.seed = 1, .links = LinkModelConfig::fixed(30)});
  const HostId a = world.add_host({}), b = world.add_host({});
  CHECK(world.address(a).kind() == AddressKind::global);
  CHECK(world.address(a).diversity_prefix() != world.address(b).diversity_prefix());
  std::optional<Instant> arrived;
  world.bind(a, 1'000, [](const Endpoint&, Bytes) {});
  world.bind(b, 2'000, [&](const Endpoint& from, Bytes bytes) {
    arrived = world.now();
    CHECK(from == Endpoint{world.address(a), 1'000});
    CHECK(lodestone::wire::as_text(bytes) == "hello");
  });
  const Instant sent = world.now();
  world.send(a, {world.address(b), 2'000}, lodestone::wire::as_bytes("hello"));
  world.send(a, {world.address(b), 2'001}, lodestone::wire::as_bytes("nobody listens"));
  world.send(a, {Address::v4(8, 8, 8, 8), 53}, lodestone::wire::as_bytes("nobody is there"));
  world.run_for(1s);
  REQUIRE(arrived);
  CHECK(*arrived - sent == 30ms);
  CHECK(world.counters().datagrams_delivered == 1);
  CHECK(world.counters().datagrams_to_nobody == 2);
}

TEST_CASE("sim: with the cable out nothing comes and nothing leaves") {
  World world({.seed = 1, .links = LinkModelConfig::fixed(30)});
  const HostId a = world.add_host({}), b = world.add_host({});
  int came = 0;
  world.bind(a, 1'000, [&](const Endpoint&, Bytes) { ++came; });
  world.bind(b, 1'000, [&](const Endpoint&, Bytes) { ++came; });
  const Endpoint to_a{world.address(a), 1'000}, to_b{world.address(b), 1'000};
  const std::vector<std::uint8_t> byte{1};
  world.send(a, to_b, byte);  // on its way when the cable goes
  world.set_up(b, false);
  world.send(b, to_a, byte);
  world.run_for(1s);
  CHECK(came == 0);
  world.set_up(b, true);
  world.send(a, to_b, byte);
  world.send(b, to_a, byte);
  world.run_for(1s);
  CHECK(came == 2);
}

TEST_CASE("sim: loss is about what was asked for, and the digest tells runs apart") {
  const auto run = [](std::uint64_t seed, std::uint8_t content) {
    LinkModelConfig links;
    links.loss = 0.25;
    World world({.seed = seed, .links = links});
    const HostId a = world.add_host({}), b = world.add_host({});
    world.bind(a, 1'000, [](const Endpoint&, Bytes) {});
    world.bind(b, 1'000, [](const Endpoint&, Bytes) {});
    for (int i = 0; i < 4'000; ++i) world.send(a, {world.address(b), 1'000}, std::vector{content});
    world.run_for(10s);
    CHECK(world.counters().datagrams_lost + world.counters().datagrams_delivered == 4'000);
    CHECK(world.counters().datagrams_lost > 850);
    CHECK(world.counters().datagrams_lost < 1'150);
    return world.digest().value();
  };
  CHECK(run(1, 7) == run(1, 7));
  CHECK(run(1, 7) != run(1, 8));
}
