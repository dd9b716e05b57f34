// SPDX-License-Identifier: Apache-2.0
// A node under a flood of queries.
#include <memory>
#include <vector>

#include <catch2/catch.hpp>

#include "dht/krpc.hpp"
#include "tests/scenarios/seeds.hpp"
#include "tools/sim/crowd.hpp"

namespace lodestone::tools::sim {
namespace {

using namespace std::chrono_literals;

/// Sends find_node queries to one node at a steady rate and counts the replies.
class Asker {
 public:
  Asker(World& world, const Endpoint& victim, double per_second)
      : world_(world),
        host_(world.add_host({})),
        victim_(victim),
        spacing_(wire::from_seconds(1 / per_second)),
        rng_(world.fork_rng()),
        id_(rng_.id<wire::NodeId>()),
        timer_(world, [this] { ask(); }) {
    world.bind(host_, 6881, [this](const Endpoint& from, Bytes bytes) {
      const auto message = decoder_.decode(bytes);
      if (from != victim_ || !message) return;
      if (std::holds_alternative<dht::krpc::Reply>(message->body)) ++answered_;
    });
    timer_.arm(world.now() + wire::from_seconds(rng_.unit() / per_second));
  }
  ~Asker() { world_.bind(host_, 0, nullptr); }
  Asker(const Asker&) = delete;
  Asker& operator=(const Asker&) = delete;

  void stop() { timer_.disarm(); }
  [[nodiscard]] std::uint64_t asked() const { return asked_; }
  [[nodiscard]] std::uint64_t answered() const { return answered_; }

 private:
  void ask() {
    std::uint8_t raw[dht::krpc::kQueryMax];
    const std::size_t n =
        dht::krpc::encode_find_node(raw, {static_cast<std::uint32_t>(asked_), id_, "XX", true}, rng_.id<wire::Key>());
    world_.send(host_, victim_, {raw, n});
    ++asked_;
    timer_.arm(world_.now() + spacing_);
  }

  World& world_;
  HostId host_;
  Endpoint victim_;
  Duration spacing_;
  wire::Rng rng_;
  wire::NodeId id_;
  dht::krpc::Decoder decoder_;
  std::uint64_t asked_ = 0;
  std::uint64_t answered_ = 0;
  Timer timer_;
};

}  // namespace

TEST_CASE("S4 a flood of 50 sources with 2,000 queries a second each costs honest sources nothing") {
  for (const std::uint64_t seed : tests::seeds()) {
    CAPTURE(seed);
    World world({.seed = seed, .links = {.loss = 0}});
    Crowd crowd(world, {.nodes = 30, .nat = {}, .adjust = nullptr});
    crowd.join_all(60s);
    const dht::Node& victim = crowd[0].node();
    const auto replies_before = victim.counters().replies_out;

    std::vector<std::unique_ptr<Asker>> flooders, honest;
    for (int i = 0; i < 50; ++i) flooders.push_back(std::make_unique<Asker>(world, crowd[0].local(), 2'000));
    for (int i = 0; i < 10; ++i) honest.push_back(std::make_unique<Asker>(world, crowd[0].local(), 15));
    const int seconds = 4;
    world.run_for(seconds * 1s);
    for (auto& a : flooders) a->stop();
    for (auto& a : honest) a->stop();
    world.run_for(5s);

    std::uint64_t asked = 0, answered = 0;
    for (const auto& a : honest) {
      asked += a->asked();
      answered += a->answered();
    }
    INFO(answered << " of " << asked);
    CHECK(asked >= 500);
    CHECK(answered * 100 >= asked * 99);
    for (const auto& a : flooders) {
      CHECK(a->asked() >= 7'900);
      CHECK(a->answered() <= 100 + 20 * seconds + 20);
    }
    const dht::Counters& counted = victim.counters();
    CHECK(counted.throttled_address >= 50 * (7'900 - 200));
    // What it sends is a small part of what it is sent.
    CHECK(counted.replies_out - replies_before <= 50 * (100 + 20 * seconds + 20) + asked);
  }
}

}  // namespace lodestone::tools::sim
