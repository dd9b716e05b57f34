// SPDX-License-Identifier: Apache-2.0
// Items, scrapes and samples in a network with loss and NATs.
#include <algorithm>
#include <set>
#include <vector>

#include <catch2/catch.hpp>

#include "dht/item.hpp"
#include "tests/scenarios/seeds.hpp"
#include "tools/sim/crowd.hpp"

namespace lodestone::tools::sim {
namespace {

using namespace std::chrono_literals;

struct Put {
  dht::Item item;
  Crowd::Index by;
  Crowd::LookupTicket put;
  Crowd::LookupTicket get;
};

}  // namespace

TEST_CASE("S8 what is put is got by whoever knows its target, the newest version of it, at 1 % loss") {
  for (const std::uint64_t seed : tests::seeds()) {
    CAPTURE(seed);
    World world({.seed = seed, .links = {}});
    Crowd crowd(world, {.nodes = 400, .nat = {}, .adjust = nullptr});
    crowd.join_all(10min);
    const dht::SigningKey key{dht::SigningKey::Seed{1}};
    std::vector<Put> all(40);
    const auto put_all = [&](std::int64_t seq) {
      for (std::size_t i = 0; i < all.size(); ++i) {
        Put& p = all[i];
        const auto value = "i" + std::to_string(seq * 1'000 + static_cast<std::int64_t>(i)) + "e";
        const auto salt = std::to_string(i);
        if (i % 4 == 0) {
          p.item = dht::Item{};
          p.item.value.assign(value.begin(), value.end());
        } else {
          p.item = key.sign(wire::as_bytes(value), wire::as_bytes(salt), seq);
        }
        p.by = crowd.random();
        const auto cas = seq > 1 && i % 4 == 1 ? std::optional<std::int64_t>{seq - 1} : std::nullopt;
        p.put = crowd.ask(
            p.by, [&](dht::Node& node, dht::Output& out) { return node.put_item(world.now(), p.item, cas, out); });
      }
      return world.run_until(world.now() + 30s, [&] {
        return std::all_of(all.begin(), all.end(), [](const Put& p) { return p.put->announced; });
      });
    };
    for (const std::int64_t seq : {1, 2}) REQUIRE(put_all(seq));
    std::size_t stored = 0;
    for (const Put& p : all) {
      CHECK(p.put->stored.size() <= 8);
      stored += p.put->stored.size();
    }
    CHECK(stored >= all.size() * 8 * 9 / 10);

    for (Put& p : all) {
      p.get = crowd.ask(crowd.random(), [&](dht::Node& node, dht::Output& out) {
        return node.get_item(world.now(), p.item.target(), p.item.salt, out);
      });
    }
    REQUIRE(world.run_until(world.now() + 30s, [&] {
      return std::all_of(all.begin(), all.end(), [](const Put& p) { return p.get->done && p.get->item; });
    }));
    for (const Put& p : all) {
      REQUIRE(p.get->item->item);
      CHECK(p.get->item->item->value == p.item.value);
      CHECK(p.get->item->item->seq == p.item.seq);
      CHECK(p.get->item->copies >= 4);
    }
  }
}

TEST_CASE("S7 a scrape of a swarm of 60 says 60, wherever it is asked from") {
  for (const std::uint64_t seed : tests::seeds()) {
    CAPTURE(seed);
    World world({.seed = seed, .links = {}});
    Crowd crowd(world, {.nodes = 300, .nat = {}, .adjust = nullptr});
    crowd.join_all(10min);
    const auto hash = world.rng().id<wire::InfoHash>();
    std::set<Crowd::Index> swarm;
    while (swarm.size() < 60) swarm.insert(crowd.random());
    std::size_t n = 0;
    for (const Crowd::Index i : swarm) {
      const bool is_seed = n++ < 20;
      (void)crowd.get_peers(i, hash, dht::AnnounceSpec{.port = 7'000, .implied_port = false, .seed = is_seed});
    }
    world.run_for(30s);
    for (int round = 0; round < 5; ++round) {
      const auto scrape = crowd.ask(
          crowd.random(), [&](dht::Node& node, dht::Output& out) { return node.scrape(world.now(), hash, out); });
      REQUIRE(world.run_until(world.now() + 15s, [&] { return scrape->scrape.has_value(); }));
      CHECK(scrape->scrape->nodes >= 6);
      CHECK(scrape->scrape->seeds == Approx(20).margin(3));
      CHECK(scrape->scrape->peers == Approx(40).margin(5));
    }
  }
}

TEST_CASE("S6 samples from all over the key space show most of what is announced") {
  for (const std::uint64_t seed : tests::seeds()) {
    CAPTURE(seed);
    World world({.seed = seed, .links = {}});
    Crowd crowd(world, {.nodes = 200, .nat = {}, .adjust = nullptr});
    crowd.join_all(10min);
    std::set<wire::InfoHash> announced;
    for (int i = 0; i < 200; ++i) {
      const auto hash = world.rng().id<wire::InfoHash>();
      announced.insert(hash);
      (void)crowd.get_peers(crowd.random(), hash, dht::AnnounceSpec{.port = 7'000, .implied_port = false});
    }
    world.run_for(30s);
    const Crowd::Index by = crowd.random();
    std::set<wire::InfoHash> seen;
    std::set<Endpoint> asked;
    for (int i = 0; i < 60; ++i) {
      const auto lookup = crowd.ask(by, [&](dht::Node& node, dht::Output& out) {
        return node.sample(world.now(), world.rng().id<wire::Key>(), out);
      });
      REQUIRE(world.run_until(world.now() + 30s, [&] { return lookup->done; }));
      for (const auto& s : lookup->samples) {
        CHECK(asked.insert(s.from).second);  // within its interval nobody is asked twice
        CHECK(s.num >= s.hashes.size());
        for (const auto& hash : s.hashes) {
          CHECK(announced.contains(hash));
          seen.insert(hash);
        }
      }
    }
    CHECK(asked.size() >= 120);
    CHECK(seen.size() >= announced.size() * 8 / 10);
  }
}

}  // namespace lodestone::tools::sim
