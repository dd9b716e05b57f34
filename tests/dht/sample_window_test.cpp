// SPDX-License-Identifier: Apache-2.0
#include "dht/sample_window.hpp"

#include <map>
#include <set>

#include <catch2/catch.hpp>

using namespace lodestone;
using namespace std::chrono_literals;
using dht::PeerStore;
using dht::SampleWindow;

namespace {

constexpr wire::Instant kStart{1h};

struct Bench {
  wire::Key add(wire::Instant now) {
    const auto hash = rng.id<wire::Key>();
    store.add(now, hash, {wire::Address::v4(5, 6, 7, 8), 99});
    return hash;
  }
  std::set<wire::Key> take(wire::Instant now) {
    const wire::Bytes raw = window.take(now, store, rng);
    std::set<wire::Key> out;
    REQUIRE(raw.size() % 20 == 0);
    for (std::size_t at = 0; at < raw.size(); at += 20) out.insert(*wire::Key::from_bytes(raw.subspan(at, 20)));
    CHECK(out.size() * 20 == raw.size());
    return out;
  }
  wire::Rng rng = wire::Rng::from_number(1);
  PeerStore store{kStart, wire::Family::v4, wire::NodeId{}, {500, 20'000, 5'000, 45min}, true};
  SampleWindow window{1h};
};

}  // namespace

TEST_CASE("S6 while there are few, all info-hashes are shown, new ones at once") {
  Bench b;
  CHECK(b.take(kStart).empty());
  std::set<wire::Key> all;
  for (int i = 0; i < 20; ++i) {
    all.insert(b.add(kStart));
    CHECK(b.take(kStart) == all);
  }
  CHECK(b.window.interval_seconds() == 3'600);
}

TEST_CASE("S6 of many, a fixed subset is shown for an interval, then another one") {
  Bench b;
  std::set<wire::Key> all;
  for (int i = 0; i < 500; ++i) all.insert(b.add(kStart));
  const auto first = b.take(kStart);
  CHECK(first.size() == 20);
  for (const auto& hash : first) CHECK(all.contains(hash));
  for (int minute = 1; minute < 45; ++minute) {
    for (int i = 0; i < 10; ++i) all.insert(b.add(kStart + minute * 1min));
    CHECK(b.take(kStart + minute * 1min) == first);
  }
  const auto second = b.take(kStart + 60min);
  CHECK(second.size() == 20);
  CHECK(second != first);
}

TEST_CASE("S6 the subset is uniform") {
  Bench b;
  for (int i = 0; i < 100; ++i) b.add(kStart);
  std::map<wire::Key, int> times;
  for (int round = 0; round < 1'000; ++round)
    for (const auto& hash : b.take(kStart + round * 1h)) ++times[hash];
  CHECK(times.size() == 100);
  for (const auto& [hash, n] : times) {
    CHECK(n > 140);  // 200 expected, standard deviation 13
    CHECK(n < 260);
  }
}

TEST_CASE("S6 what has gone from the store is not shown any more") {
  Bench b;
  for (int i = 0; i < 100; ++i) b.add(kStart);
  REQUIRE(b.take(kStart).size() == 20);
  b.store.sweep(kStart + 50min);
  const auto fresh = b.add(kStart + 50min);
  CHECK(b.take(kStart + 50min).empty());
  CHECK(b.take(kStart + 60min) == std::set{fresh});
}
