// SPDX-License-Identifier: Apache-2.0
#include "dht/peer_store.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <map>
#include <set>
#include <vector>

#include <catch2/catch.hpp>

using namespace lodestone;
using namespace std::chrono_literals;
using dht::PeerStore;

namespace {

constexpr wire::Instant kStart{1h};

struct Bench {
  explicit Bench(const PeerStore::Caps& caps = {500, 20'000, 5'000, 45min}, bool one_per_address = true,
                 wire::Family family = wire::Family::v4)
      : store(kStart, family, wire::NodeId{}, caps, one_per_address) {}
  std::set<wire::Endpoint> sample(wire::Instant now, const wire::Key& hash, std::size_t max) {
    const auto peers = store.sample(now, hash, max, rng);
    std::set<wire::Endpoint> out;
    for (std::size_t i = 0; i < peers.count; ++i) {
      out.insert(*wire::Endpoint::from_compact({peers.data + i * peers.stride, peers.size}));
    }
    CHECK(out.size() == peers.count);
    return out;
  }
  wire::Rng rng = wire::Rng::from_number(1);
  PeerStore store;
};

wire::Endpoint peer(std::uint32_t n, std::uint16_t port = 6881) { return {wire::Address::v4(0x01000000u + n), port}; }

/// A key at the given distance from our id, which is zero.
wire::Key at_distance(std::uint8_t d) {
  wire::Key k;
  k.bytes()[0] = d;
  return k;
}

}  // namespace

TEST_CASE("S2 one entry per hash and address, the latest port wins") {
  Bench b;
  const auto hash = at_distance(1);
  CHECK(b.store.add(kStart, hash, peer(1, 1000)));
  CHECK(b.store.add(kStart, hash, peer(1, 2000)));
  CHECK(b.store.add(kStart, at_distance(2), peer(1, 3000)));
  CHECK(b.store.count(hash) == 1);
  CHECK(b.sample(kStart, hash, 50) == std::set{peer(1, 2000)});
  b.store.check_invariants();
}

TEST_CASE("S2 in a private net several peers share an address") {
  Bench b{{500, 20'000, 5'000, 45min}, false};
  CHECK(b.store.add(kStart, at_distance(1), peer(1, 1000)));
  CHECK(b.store.add(kStart, at_distance(1), peer(1, 2000)));
  CHECK(b.store.add(kStart, at_distance(1), peer(1, 2000)));
  CHECK(b.store.count(at_distance(1)) == 2);
}

TEST_CASE("S2 peers expire unless they are announced again") {
  Bench b;
  const auto hash = at_distance(1);
  b.store.add(kStart, hash, peer(1));
  b.store.add(kStart, hash, peer(2));
  b.store.add(kStart + 30min, hash, peer(2));
  CHECK(b.sample(kStart + 44min, hash, 50).size() == 2);
  CHECK(b.sample(kStart + 46min, hash, 50) == std::set{peer(2)});
  CHECK(b.store.next_sweep() != wire::kNever);
  b.store.sweep(kStart + 76min);
  CHECK(b.store.peers() == 0);
  CHECK(b.store.hashes() == 0);
  CHECK(b.store.next_sweep() == wire::kNever);
  b.store.check_invariants();
}

TEST_CASE("S2 a swarm is capped, the oldest peer gives way") {
  Bench b{{10, 20'000, 5'000, 45min}};
  const auto hash = at_distance(1);
  for (std::uint32_t i = 0; i < 15; ++i) b.store.add(kStart + i * 1min, hash, peer(i));
  const auto left = b.sample(kStart + 15min, hash, 50);
  CHECK(left.size() == 10);
  CHECK(left.contains(peer(14)));
  CHECK_FALSE(left.contains(peer(4)));
  b.store.check_invariants();
}

TEST_CASE("S2 the farthest hashes are evicted first, and farther ones are not let in") {
  Bench b{{10, 100, 4, 45min}};
  for (const std::uint8_t d : std::initializer_list<std::uint8_t>{10, 40, 20, 30})
    CHECK(b.store.add(kStart, at_distance(d), peer(d)));
  CHECK_FALSE(b.store.accepts(at_distance(50)));
  CHECK_FALSE(b.store.add(kStart, at_distance(50), peer(1)));
  CHECK(b.store.accepts(at_distance(5)));
  CHECK(b.store.add(kStart, at_distance(5), peer(1)));
  CHECK(b.store.count(at_distance(40)) == 0);
  CHECK(b.store.count(at_distance(30)) == 1);
  CHECK(b.store.hashes() == 4);
  b.store.check_invariants();
}

TEST_CASE("S2 peers in all are capped") {
  Bench b{{50, 60, 100, 45min}};
  for (std::uint32_t i = 0; i < 50; ++i) CHECK(b.store.add(kStart, at_distance(9), peer(i)));
  for (std::uint32_t i = 0; i < 10; ++i) CHECK(b.store.add(kStart, at_distance(1), peer(i)));
  CHECK(b.store.peers() == 60);
  CHECK(b.store.add(kStart, at_distance(9), peer(7)));   // a refresh needs no room
  CHECK(b.store.add(kStart, at_distance(9), peer(77)));  // replaces one of its own
  CHECK(b.store.peers() == 60);
  CHECK(b.store.add(kStart, at_distance(1), peer(11)));  // pushes the farthest hash out
  CHECK(b.store.peers() == 11);
  b.store.check_invariants();
}

TEST_CASE("S2 the sample is uniform") {
  Bench b;
  const auto hash = at_distance(1);
  for (std::uint32_t i = 0; i < 100; ++i) b.store.add(kStart, hash, peer(i));
  std::map<wire::Endpoint, int> times;
  for (int round = 0; round < 2'000; ++round)
    for (const auto& p : b.sample(kStart, hash, 10)) ++times[p];
  CHECK(times.size() == 100);
  for (const auto& [p, n] : times) {
    CHECK(n > 120);  // 200 expected, standard deviation 13
    CHECK(n < 280);
  }
}

TEST_CASE("S2 v6 peers are stored, too, and a v4 peer costs eight bytes") {
  Bench b{{500, 20'000, 5'000, 45min}, true, wire::Family::v6};
  const auto p = *wire::Endpoint::parse("[2606:4700::1]:6881");
  CHECK(b.store.add(kStart, at_distance(1), p));
  CHECK(b.sample(kStart, at_distance(1), 50) == std::set{p});
  Bench v4;
  v4.store.add(kStart, at_distance(1), peer(1));
  CHECK(v4.store.sample(kStart, at_distance(1), 50, v4.rng).stride == 8);
}

TEST_CASE("S2 the byte cap holds whatever is announced") {
  constexpr std::size_t kCap = 128 << 10;
  for (const auto family : {wire::Family::v4, wire::Family::v6}) {
    for (const std::uint64_t peers_each : {1, 20, 2'000}) {
      CAPTURE(static_cast<int>(family), peers_each);
      Bench b{{2'000, 1'000'000, 100'000, 45min, kCap}, true, family};
      const auto key = [&] { return b.rng.id<wire::Key>(); };
      std::vector<wire::Key> hashes;
      std::generate_n(std::back_inserter(hashes), 20'000 / peers_each, key);
      std::size_t most = 0;
      for (std::uint32_t i = 0; i < 30'000; ++i) {
        const wire::Key& hash = hashes[b.rng.below(hashes.size())];
        std::array<std::uint8_t, 16> raw{0x26, 0, 0, 1};
        wire::store_be32(raw.data() + 4, i);
        const auto now = kStart + i * 100ms;
        (void)b.store.add(now, hash, family == wire::Family::v4 ? peer(i) : wire::Endpoint{wire::Address::v6(raw), 1});
        if (b.store.next_sweep() <= now) b.store.sweep(now);
        most = std::max(most, b.store.bytes());
        REQUIRE(b.store.bytes() <= kCap);
        if (i % 1'000 == 0) b.store.check_invariants();
      }
      CHECK(most > kCap * 2 / 3);
      CHECK(b.store.displaced() + b.store.expired() > 0);
      b.store.sweep(kStart + 10h);
      CHECK(b.store.peers() == 0);
      CHECK(b.store.bytes() == 0);
    }
  }
}

TEST_CASE("S2 a v4 peer costs about 8 bytes and a hash about 36 and an allocation") {
  Bench b{{2'000, 1'000'000, 100'000, 45min}};
  constexpr std::uint32_t kHashes = 10'000;
  std::vector<wire::Key> hashes;
  std::generate_n(std::back_inserter(hashes), kHashes, [&] { return b.rng.id<wire::Key>(); });
  for (std::uint32_t i = 0; i < kHashes; ++i) b.store.add(kStart, hashes[i], peer(i));
  const auto per_hash = static_cast<double>(b.store.bytes()) / kHashes;  // with the smallest allocation: 3 peers
  CHECK(per_hash <= 40 + 32);
  for (std::uint32_t i = 0; i < 9 * kHashes; ++i) b.store.add(kStart, hashes[i % kHashes], peer(kHashes + i));
  CHECK(b.store.peers() == 10 * kHashes);
  CHECK(static_cast<double>(b.store.bytes()) / kHashes <= 40 + 10 * 8 * 1.4 + 8);
  const auto small = b.store.bytes();
  for (std::uint32_t i = 0; i < 500'000; ++i) b.store.add(kStart, hashes[i % 500], peer(1'000'000 + i));
  CHECK(static_cast<double>(b.store.bytes() - small) / 500'000 <= 8 * 1.25);
  b.store.check_invariants();
}

TEST_CASE("S7 seeds and peers are told apart, and the latest announce says which it is") {
  Bench b;
  const auto hash = at_distance(1);
  for (std::uint32_t i = 0; i < 30; ++i) b.store.add(kStart, hash, peer(i), i < 10);
  b.store.add(kStart, hash, peer(3), false);
  b.store.add(kStart, hash, peer(20), true);
  dht::BloomFilter seeds, peers, expected_seeds, expected_peers;
  CHECK(b.store.count_in(kStart, hash, seeds, peers));
  for (std::uint32_t i = 0; i < 30; ++i) {
    const bool seed = (i < 10 && i != 3) || i == 20;
    (seed ? expected_seeds : expected_peers).insert(peer(i).address);
  }
  CHECK(seeds == expected_seeds);
  CHECK(peers == expected_peers);
  CHECK_FALSE(b.store.count_in(kStart, at_distance(2), seeds, peers));
  CHECK_FALSE(b.store.count_in(kStart + 46min, hash, seeds, peers));
}

TEST_CASE("S2 who wants no seeds gets a sample of the others") {
  Bench b;
  const auto hash = at_distance(1);
  for (std::uint32_t i = 0; i < 40; ++i) b.store.add(kStart, hash, peer(i), i % 4 != 0);
  const auto sample = [&](std::size_t max) {
    const auto peers = b.store.sample(kStart, hash, max, b.rng, true);
    std::set<wire::Endpoint> out;
    for (std::size_t i = 0; i < peers.count; ++i)
      out.insert(*wire::Endpoint::from_compact({peers.data + i * peers.stride, peers.size}));
    CHECK(out.size() == peers.count);
    return out;
  };
  std::set<wire::Endpoint> expected;
  for (std::uint32_t i = 0; i < 40; i += 4) expected.insert(peer(i));
  CHECK(sample(50) == expected);
  for (const auto& p : sample(5)) CHECK(expected.contains(p));
  CHECK(sample(5).size() == 5);
  CHECK(b.sample(kStart, hash, 50).size() == 40);
  b.store.check_invariants();
}

TEST_CASE("S2 a seed expires like others, however late in the run") {
  Bench b;
  for (const wire::Instant start : {kStart, kStart + 35h, kStart + 36h + 10min, kStart + 1'000h}) {
    b.store.add(start, at_distance(1), peer(1), true);
    CHECK(b.sample(start + 44min, at_distance(1), 9).size() == 1);
    CHECK(b.sample(start + 46min, at_distance(1), 9).empty());
    b.store.sweep(start + 46min);
    CHECK(b.store.peers() == 0);
  }
}

TEST_CASE("T1 what is stored moves with our id") {
  Bench b{{10, 100, 5, 45min}};
  for (const std::uint8_t d : std::initializer_list<std::uint8_t>{10, 20, 30, 40})
    b.store.add(kStart, at_distance(d), peer(d));
  wire::NodeId own;
  own.bytes()[0] = 40;
  b.store.move_to(own);
  b.store.check_invariants();
  CHECK(b.store.peers() == 4);
  for (const std::uint8_t d : std::initializer_list<std::uint8_t>{10, 20, 30, 40}) {
    CHECK(b.sample(kStart, at_distance(d), 9) == std::set{peer(d)});
    CHECK(b.store.contains(at_distance(d)));
  }
  CHECK(b.store.add(kStart, at_distance(41), peer(1)));
  CHECK(b.store.add(kStart, at_distance(42), peer(1)));
  CHECK_FALSE(b.store.contains(at_distance(20)));  // the farthest now: 20 ^ 40 = 60
  std::set<wire::Key> hashes;
  b.store.for_each_hash([&](const wire::Key& k) { hashes.insert(k); });
  CHECK(hashes == std::set{at_distance(10), at_distance(30), at_distance(40), at_distance(41), at_distance(42)});
}
