// SPDX-License-Identifier: Apache-2.0
#include "magnet/swarm/torrent.hpp"

#include <catch2/catch.hpp>

#include "tests/support/fake_wire.hpp"

namespace lodestone::magnet {
namespace {

using namespace std::chrono_literals;
using test::FakeWire;
using test::make_sample;

TEST_CASE("a magnet becomes a file: metadata and data from one seed") {
  const auto sample = make_sample({{"a", 3'000'000}}, 64 << 10);
  FakeWire net;
  auto& seed = net.add_seed(sample);
  auto& get = net.add(sample);
  CHECK(get.status().phase == Phase::metadata);
  net.introduce(get, seed);
  REQUIRE(net.run_until([&] { return get.finished; }, 60s));
  CHECK(get.single() == sample.stream);
  const TorrentStatus s = get.status();
  CHECK(s.phase == Phase::seeding);
  CHECK(s.bytes_done == 3'000'000);
  CHECK(s.bytes_total == 3'000'000);
  CHECK(s.downloaded == 3'000'000);
  CHECK(s.wasted == 0);
  CHECK(s.verified_pieces == sample.info->piece_count());
  CHECK(seed.status().uploaded == 3'000'000);
}

TEST_CASE("three seeds share the work") {
  const auto sample = make_sample({{"a", 12'000'000}}, 256 << 10);
  FakeWire net;
  net.link.rate = 2e6;
  std::vector<FakeWire::Node*> seeds;
  for (int i = 0; i < 3; ++i) seeds.push_back(&net.add_seed(sample));
  auto& get = net.add(sample);
  for (auto* s : seeds) net.introduce(get, *s);
  REQUIRE(net.run_until([&] { return get.finished; }, 60s));
  CHECK(get.single() == sample.stream);
  for (auto* s : seeds) CHECK(s->status().uploaded > 3'000'000);
  CHECK(get.status().wasted < 200'000);
  // 12 MB over three links of 2 MB/s, a second and a half for everything else.
  CHECK(wire::to_seconds(*get.finished_at - wire::Instant(1h)) < 3.5);
}

}  // namespace
}  // namespace lodestone::magnet
