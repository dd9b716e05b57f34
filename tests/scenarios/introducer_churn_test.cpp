// SPDX-License-Identifier: Apache-2.0
// What an introducer hands out while nodes come and go as in the public DHT: how many of them are there, beside a ring
// that only takes up whoever has answered once and writes over the oldest. The introducer is the real one; the nodes
// are an address, a NAT and a session each.
#include <algorithm>
#include <cmath>
#include <queue>
#include <unordered_map>
#include <vector>

#include <catch2/catch.hpp>

#include "dht/introducer.hpp"
#include "dht/node_id_security.hpp"
#include "tests/scenarios/seeds.hpp"
#include "tools/sim/churn.hpp"
#include "tools/sim/nat.hpp"

namespace lodestone::tools::sim {
namespace {

using namespace std::chrono_literals;
using dht::Introducer;
using wire::Duration;
using wire::Endpoint;
using wire::Instant;

struct Settings {
  std::uint64_t seed = 1;
  std::size_t ring = 5'000;
  double arrivals = 1;  // a second
  Duration round = dht::Limits{}.ring_round;
};

class ComingAndGoing {
 public:
  explicit ComingAndGoing(const Settings& settings)
      : settings_(settings),
        rng_(wire::Rng::from_number(settings.seed)),
        memory_(Introducer::bytes_for(wire::Family::v4, config().limits)),
        introducer_(now_, config(), memory_, rng_) {
    overwritten_.reserve(settings.ring);
  }

  struct Shares {
    double ours = 0, overwritten = 0;
  };
  /// Lets `warm_up` pass, then looks at what is handed out for so long.
  Shares run(Duration warm_up, Duration looked_at) {
    const Instant from = now_ + warm_up, end = from + looked_at;
    double ours = 0, theirs = 0;
    int looks = 0;
    Instant next_look = from, next_arrival = now_;
    while (now_ < end) {
      now_ = std::min({next_look, next_arrival, introducer_.next_deadline(), due_.empty() ? end : due_.top().at, end});
      if (introducer_.next_deadline() <= now_) {
        introducer_.advance(now_, rng_, out_);
        answer_pings();
      }
      if (next_arrival <= now_) {
        arrive();
        next_arrival = now_ + wire::from_seconds(-std::log(1 - rng_.unit()) / settings_.arrivals);
      }
      while (!due_.empty() && due_.top().at <= now_) step();
      if (next_look <= now_) {
        ours += share_of_ours();
        theirs += share_of_overwritten();
        ++looks;
        next_look = now_ + 10min;
      }
    }
    introducer_.check_invariants();
    return {ours / looks, theirs / looks};
  }
  [[nodiscard]] const Introducer& introducer() const { return introducer_; }

 private:
  struct Host {
    dht::Contact contact;
    NatKind nat;
    Instant leaves;
    Instant visited;  // last
  };
  enum class What : std::uint8_t { visit, ping_for_overwritten };
  struct Due {
    Instant at;
    std::uint32_t host;
    What what;
    friend bool operator>(const Due& a, const Due& b) { return a.at > b.at; }
  };

  [[nodiscard]] dht::NodeConfig config() const {
    dht::NodeConfig c;
    c.limits.ring_size = settings_.ring;
    c.limits.ping_queue = 50'000;
    c.limits.visitors = 50'000;
    c.limits.ring_round = settings_.round;
    return c;
  }
  /// For somebody it has never heard of. Nodes behind a full cone send all the time.
  [[nodiscard]] bool reachable(const Host& h) const {
    return h.leaves > now_ && (h.nat == NatKind::open || h.nat == NatKind::full_cone);
  }
  /// For us.
  [[nodiscard]] bool answers(const Host& h) const {
    return h.leaves > now_ && (reachable(h) || now_ - h.visited < Nat::kPinholeLifetime);
  }
  void arrive() {
    const auto n = static_cast<std::uint32_t>(hosts_.size());
    const auto address = wire::Address::v4((11 + n % 70) << 24 | (n * 0x9e3779b1u) >> 8);
    Host h{{dht::derive_id(address, rng_), {address, 6'881}},
           NatMix::public_dht().draw(rng_),
           now_ + churn_.draw_session(rng_),
           now_};
    hosts_.push_back(h);
    by_address_[address] = n;
    visit(n);
    // Some ask again, now and then.
    for (Instant at = now_; rng_.chance(0.3);)
      due_.push({at += wire::from_seconds(rng_.unit() * 1'800), n, What::visit});
  }
  void visit(std::uint32_t n) {
    Host& h = hosts_[n];
    if (h.leaves <= now_) return;
    h.visited = now_;
    (void)introducer_.asked_by(now_, h.contact, false, true, rng_, out_);
    answer_pings();
    due_.push({now_ + 15min, n, What::ping_for_overwritten});
  }
  void step() {
    const Due due = due_.top();
    due_.pop();
    if (due.what == What::visit) return visit(due.host);
    if (!answers(hosts_[due.host])) return;
    if (overwritten_.size() < settings_.ring) return overwritten_.push_back(due.host);
    overwritten_[write_at_++ % settings_.ring] = due.host;
  }
  void answer_pings() {
    for (const auto& entry : out_.entries()) {
      const Host& h = hosts_[by_address_.at(entry.to.address)];
      if (!answers(h) || rng_.chance(0.01)) continue;
      const auto message = decoder_.decode(out_.payload(entry));
      REQUIRE(introducer_.is_ours(now_, h.contact.endpoint, message->transaction, rng_));
      introducer_.answered(now_, h.contact, rng_);
    }
    out_.clear();
  }
  double share_of_ours() {
    std::size_t handed = 0, there = 0;
    for (int i = 0; i < 100; ++i) {
      const dht::HandOut nodes = introducer_.hand_out(16, {});
      dht::for_each_contact(nodes.contacts(), wire::Family::v4, 16, [&](const dht::Contact& contact) {
        ++handed;
        there += reachable(hosts_[by_address_.at(contact.endpoint.address)]);
      });
    }
    return static_cast<double>(there) / static_cast<double>(handed);
  }
  double share_of_overwritten() const {
    const auto there =
        std::count_if(overwritten_.begin(), overwritten_.end(), [&](std::uint32_t n) { return reachable(hosts_[n]); });
    return static_cast<double>(there) / static_cast<double>(overwritten_.size());
  }

  Settings settings_;
  Instant now_{1h};
  wire::Rng rng_;
  wire::ByteVector memory_;
  Introducer introducer_;
  Churn churn_ = Churn::public_dht();
  wire::DatagramBatch out_;
  dht::krpc::Decoder decoder_;
  std::vector<Host> hosts_;
  std::unordered_map<wire::Address, std::uint32_t> by_address_;
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
  std::vector<std::uint32_t> overwritten_;  // the other ring
  std::size_t write_at_ = 0;
};

}  // namespace

TEST_CASE("T2 nine in ten of the nodes that an introducer hands out are there, while they come and go") {
  // How long the other ring takes to be written over once: as many as come in that time are in it.
  for (const double hours : {1.0, 4.0, 12.0}) {
    for (const std::uint64_t seed : tests::seeds()) {
      CAPTURE(seed, hours);
      // Not quite half of those who come are there and reachable after a quarter of an hour.
      ComingAndGoing model({.seed = seed, .ring = 3'000, .arrivals = 3'000 / 0.45 / (hours * 3'600)});
      const auto shares = model.run(wire::from_seconds(hours * 3'600 * 1.5), 6h);
      const auto& c = model.introducer().counters();
      WARN("a ring that is written over in "
           << hours << " h: " << shares.overwritten << " of it are there; ours: " << shares.ours << " of "
           << model.introducer().ring().size() << ", pings " << c.pings << ", silent " << c.silent);
      CHECK(shares.ours >= 0.9);
      CHECK(shares.ours > shares.overwritten);
    }
  }
}

}  // namespace lodestone::tools::sim
