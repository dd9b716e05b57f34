// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "dht/node_id_security.hpp"
#include "tests/scenarios/seeds.hpp"
#include "tools/sim/crowd.hpp"
#include "tools/sim/hostile_node.hpp"

namespace lodestone::tools::sim {
namespace {

using namespace std::chrono_literals;

/// 200 honest nodes and 60 of one hostile kind, for half an hour.
struct Siege {
  World world;
  Crowd crowd;
  std::vector<std::unique_ptr<HostileNode>> hostile;

  Siege(std::uint64_t seed, Misbehaviour kind)
      : world({.seed = seed, .links = {}}), crowd(world, {.nodes = 200, .nat = {}, .adjust = nullptr}) {
    crowd.join_all(60s);
    for (int i = 0; i < 60; ++i)
      hostile.push_back(std::make_unique<HostileNode>(world, world.add_host({}), kind, crowd.introducer()));
    world.run_for(30min);
  }

  /// Table entries with an address of a hostile node, over all honest nodes.
  [[nodiscard]] std::size_t entries_held_by_hostile() const {
    std::size_t n = 0;
    for (const Crowd::Index index : crowd.living()) {
      const dht::Node& node = const_cast<Crowd&>(crowd)[index].node();
      for (const dht::NodeView& entry : node.closest(wire::Key{node.id().bytes()}, 1'000))
        n += std::any_of(hostile.begin(), hostile.end(), [&](const auto& h) { return h->local() == entry.endpoint; });
    }
    return n;
  }

  /// Announces 30 hashes and looks them up; returns how many are found.
  [[nodiscard]] std::size_t found_of_30() {
    struct Pair {
      wire::InfoHash hash;
      Crowd::Index by;
      Crowd::LookupTicket announce, lookup;
    };
    std::vector<Pair> all(30);
    for (Pair& p : all) {
      p.hash = world.rng().id<wire::InfoHash>();
      p.by = crowd.random();
      p.announce = crowd.get_peers(p.by, p.hash, dht::AnnounceSpec{.port = 4'000, .implied_port = false});
    }
    world.run_for(60s);
    for (Pair& p : all) p.lookup = crowd.get_peers(crowd.random(), p.hash);
    world.run_for(60s);
    return static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [&](const Pair& p) {
      const Endpoint expected{crowd[p.by].local().address, 4'000};
      return p.lookup->done &&
             std::find(p.lookup->peers.begin(), p.lookup->peers.end(), expected) != p.lookup->peers.end();
    }));
  }
};

constexpr int kSybilBits = 20;

/// The first `bits` bits of the id become those of the hash.
void agree(wire::NodeId& id, const wire::InfoHash& hash, int bits) {
  for (int i = 0; i < bits; ++i) {
    const auto byte = static_cast<std::size_t>(i / 8);
    const auto mask = static_cast<std::uint8_t>(0x80 >> (i % 8));
    id.bytes()[byte] = static_cast<std::uint8_t>((id.bytes()[byte] & ~mask) | (hash.bytes()[byte] & mask));
  }
}

/// Addresses in as many /24s, each with an id that it allows (BEP 42) and that is within 2^-20 of the hash. Of a v4
/// address 20 bits matter, and three of choice: a handful of these combinations are near any hash, each in 4,096
/// addresses.
std::vector<std::pair<wire::Address, wire::NodeId>> addresses_near(const wire::InfoHash& hash, std::size_t n,
                                                                   wire::Rng& rng) {
  std::vector<std::pair<std::uint32_t, std::uint8_t>> combinations;
  for (std::uint32_t i = 0; i < 1u << 20; ++i) {
    const std::uint32_t matters = (i >> 18 & 0x3) << 24 | (i >> 14 & 0xf) << 16 | (i >> 8 & 0x3f) << 8 | (i & 0xff);
    for (std::uint8_t choice = 0; choice < 8; ++choice) {
      const wire::NodeId id = dht::derive_id(wire::Address::v4(matters | 0x50u << 24), choice, rng);
      if (wire::common_prefix(id, hash) >= kSybilBits) combinations.emplace_back(matters, choice);
    }
  }
  REQUIRE(!combinations.empty());
  std::vector<std::pair<wire::Address, wire::NodeId>> out;
  std::set<wire::Address> prefixes;
  while (out.size() < n) {
    const auto& [matters, choice] = combinations[static_cast<std::size_t>(rng.below(combinations.size()))];
    const auto free = static_cast<std::uint32_t>(rng.below(1u << 12));
    const wire::Address address =
        wire::Address::v4(matters | (free >> 6 & 0x3f) << 26 | (free >> 2 & 0xf) << 20 | (free & 0x3) << 14);
    if (address.kind() != wire::AddressKind::global || !prefixes.insert(address.diversity_prefix()).second) continue;
    auto id = dht::derive_id(address, choice, rng);
    if (wire::common_prefix(id, hash) >= kSybilBits) out.emplace_back(address, id);
  }
  return out;
}

/// 500 honest nodes and some that lie in wait around a hash and name only each other.
class Sybils {
 public:
  explicit Sybils(World& world)
      : hash(world.rng().id<wire::InfoHash>()),
        world_(world),
        crowd_(world, {.nodes = 500, .nat = {}, .adjust = nullptr}) {
    crowd_.join_all(5min);
  }
  void add(const wire::Address& address, const wire::NodeId& id) {
    hosts_.push_back(std::make_unique<HostileNode>(world_, world_.add_host({.address = address}), Misbehaviour::sybil,
                                                   crowd_.introducer(), id));
    fellows_.push_back({id, hosts_.back()->local()});
  }

  struct Outcome {
    std::size_t taken, honest;  // places of the announce, whose they are
    std::size_t found;          // of 100 lookups by anybody
  };
  Outcome announce_and_look_up() {
    for (const auto& host : hosts_) host->set_fellows(fellows_);
    world_.run_for(20min);
    const Crowd::Index by = crowd_.random();
    const auto announce = crowd_.get_peers(by, hash, dht::AnnounceSpec{.port = 4'000, .implied_port = false});
    REQUIRE(world_.run_until(world_.now() + 60s, [&] { return announce->announced; }));
    const auto is_sybil = [&](const dht::NodeView& node) {
      return std::any_of(fellows_.begin(), fellows_.end(),
                         [&](const dht::Contact& c) { return c.endpoint == node.endpoint; });
    };
    const auto taken = std::count_if(announce->stored.begin(), announce->stored.end(), is_sybil);
    const Endpoint expected{crowd_[by].local().address, 4'000};
    std::vector<Crowd::LookupTicket> lookups;
    for (int i = 0; i < 100; ++i) lookups.push_back(crowd_.get_peers(crowd_.random(), hash));
    world_.run_for(60s);
    const auto found = std::count_if(lookups.begin(), lookups.end(), [&](const auto& lookup) {
      return std::find(lookup->peers.begin(), lookup->peers.end(), expected) != lookup->peers.end();
    });
    return {static_cast<std::size_t>(taken), announce->stored.size() - static_cast<std::size_t>(taken),
            static_cast<std::size_t>(found)};
  }

  const wire::InfoHash hash;

 private:
  World& world_;
  Crowd crowd_;
  std::vector<std::unique_ptr<HostileNode>> hosts_;
  std::vector<dht::Contact> fellows_;
};

}  // namespace

TEST_CASE("T2 nodes that never answer get into no table") {
  for (const std::uint64_t seed : tests::seeds()) {
    CAPTURE(seed);
    Siege siege(seed, Misbehaviour::silent);
    for (const auto& h : siege.hostile) CHECK(h->asked() > 0);  // they were given their chance
    CHECK(siege.entries_held_by_hostile() == 0);
    CHECK(siege.found_of_30() == 30);
  }
}

TEST_CASE("L6 nodes that answer under ever new ids do not stay in tables") {
  for (const std::uint64_t seed : tests::seeds()) {
    CAPTURE(seed);
    Siege siege(seed, Misbehaviour::wrong_id);
    for (const auto& h : siege.hostile) CHECK(h->asked() > 0);
    CHECK(siege.entries_held_by_hostile() == 0);
    CHECK(siege.found_of_30() == 30);
  }
}

TEST_CASE("L8 300 sybils around a hash, with ids of their choice in 24 prefixes, hide no honest announce") {
  for (const std::uint64_t seed : tests::seeds()) {
    CAPTURE(seed);
    World world({.seed = seed, .links = {}});
    Sybils sybils(world);
    for (std::uint32_t i = 0; i < 300; ++i) {
      auto id = world.rng().id<wire::NodeId>();
      agree(id, sybils.hash, kSybilBits);
      const auto prefix = static_cast<std::uint8_t>(i % 24);
      sybils.add(wire::Address::v4(66, prefix, 7, static_cast<std::uint8_t>(1 + i / 24)), id);
    }
    const auto [taken, honest, found] = sybils.announce_and_look_up();
    // They are there, and nearer than everybody else; half of the places is all they get.
    CHECK(taken >= 1);
    CHECK(taken <= 4);
    CHECK(honest >= 3);
    CHECK(found >= 99);
  }
}

// Whoever holds addresses all over the world has ids that nobody can tell from honest ones. How much of the network he
// gets for it is only said.
TEST_CASE("L8 300 sybils around a hash in as many prefixes, with ids that their addresses allow") {
  for (const std::uint64_t seed : tests::seeds()) {
    CAPTURE(seed);
    World world({.seed = seed, .links = {}});
    Sybils sybils(world);
    for (const auto& [address, id] : addresses_near(sybils.hash, 300, world.rng())) {
      CHECK(dht::id_matches(id, address));
      CHECK(wire::common_prefix(id, sybils.hash) >= kSybilBits);
      sybils.add(address, id);
    }
    const auto [taken, honest, found] = sybils.announce_and_look_up();
    WARN("seed " << seed << ": of " << taken + honest << " places " << taken << " are the sybils'; " << found
                 << " of 100 lookups find the announce");
    CHECK(taken + honest >= 8);
  }
}

TEST_CASE("L6 nodes that name honest endpoints under other ids get no honest answer thrown away") {
  for (const std::uint64_t seed : tests::seeds()) {
    CAPTURE(seed);
    Siege siege(seed, Misbehaviour::misnamer);
    CHECK(siege.entries_held_by_hostile() > 0);  // they answer like nodes, and are in the tables
    CHECK(siege.found_of_30() == 30);
    std::uint64_t used = 0;
    for (const Crowd::Index index : siege.crowd.living()) used += siege.crowd[index].node().counters().misnamed_replies;
    CHECK(used > 100);
  }
}

TEST_CASE("nodes that name made-up neighbours do not keep most lookups from succeeding") {
  for (const std::uint64_t seed : tests::seeds()) {
    CAPTURE(seed);
    Siege siege(seed, Misbehaviour::liar);
    CHECK(siege.entries_held_by_hostile() > 0);  // they answer like nodes, and are in the tables
    // Nearly a quarter of the network: now and then a node knows nobody but liars on the way to a hash.
    CHECK(siege.found_of_30() >= 25);
  }
}

}  // namespace lodestone::tools::sim
