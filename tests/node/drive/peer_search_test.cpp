// SPDX-License-Identifier: Apache-2.0
#include "node/drive/peer_search.hpp"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <asio/io_context.hpp>
#include <catch2/catch.hpp>

#include "dht/krpc.hpp"
#include "node/net/clock.hpp"
#include "node/net/sockets.hpp"
#include "tests/node/event_loop.hpp"

namespace lodestone::node {
namespace {

using test::run_until;
using wire::Address;

const wire::InfoHash kTorrent = *wire::InfoHash::from_hex("0123456789abcdef0123456789abcdef01234567");

/// A router and a node beside it; the node's events go to its search.
struct Net {
  asio::io_context io;
  std::vector<std::unique_ptr<DhtDriver>> router, mine;
  PeerSearch search;
  std::uint32_t stored = 0;

  explicit Net(bool announce) : search(kTorrent, announce) {
    router.push_back(node(Address::v4(127, 0, 0, 61), 1, [this] { drop_events(*router[0]); }));
    mine.push_back(node(Address::v4(127, 0, 0, 62), 2, [this] { hand_over(); }));
    mine[0]->use(clock_now(), [&](dht::Node& n, dht::Output& out) {
      n.add_introducers(clock_now(), {&router[0]->local(), 1}, out);
    });
  }
  std::unique_ptr<DhtDriver> node(const Address& address, std::uint64_t seed, std::function<void()> wake) {
    auto socket = bind_udp({address, 0});
    REQUIRE(socket);
    auto rng = wire::Rng::from_number(seed);
    dht::NodeConfig c;
    c.id = rng.id<wire::NodeId>();
    c.policy = wire::AddressPolicy::everything();
    c.private_net = true;
    c.limits = dht::Limits::client();
    return std::make_unique<DhtDriver>(io, *std::move(socket), clock_now(), c, rng.fork(), std::move(wake));
  }
  void drop_events(DhtDriver& driver) {
    std::vector<dht::Event> events;
    driver.take_events(events);
  }
  /// Somebody at an address of its own asks for a token and announces itself, with no socket between.
  void announce_to_mine(std::uint8_t i) {
    const wire::Endpoint from{Address::v4(127, 0, 1, i), 7000};
    const std::string head =
        "d1:ad2:id20:abcdefghij01234567899:info_hash20:" + std::string{wire::as_text(kTorrent.view())};
    dht::Output out;
    // Straight into the node: the datagrams stay here.
    mine[0]->use(clock_now(), [&](dht::Node& n, dht::Output&) {
      n.receive(clock_now(), from, wire::as_bytes(head + "e1:q9:get_peers2:roi1e1:t2:aa1:y1:qe"), out);
      dht::krpc::Decoder decoder;
      const auto reply = decoder.decode(out.datagrams.payload(out.datagrams.entries().front()));
      REQUIRE(reply);
      const std::string token{wire::as_text(std::get<dht::krpc::Reply>(reply->body).token)};
      out.clear();
      n.receive(clock_now(), from,
                wire::as_bytes(head + "4:porti7000e5:token" + std::to_string(token.size()) + ":" + token +
                               "e1:q13:announce_peer2:roi1e1:t2:aa1:y1:qe"),
                out);
    });
  }
  void hand_over() {
    for (const auto& driver : mine) {
      std::vector<dht::Event> events;
      driver->take_events(events);
      for (const auto& e : events) {
        if (const auto* done = std::get_if<dht::event::LookupDone>(&e); done && search.owns(*driver, done->lookup))
          search.on_done(clock_now(), *driver, *done);
        if (const auto* told = std::get_if<dht::event::AnnounceDone>(&e)) stored = search.on_announced(*driver, *told);
      }
    }
  }
  /// One more of ours, on another address of the same family (BEP 45).
  void add_sibling() {
    mine.push_back(node(Address::v4(127, 0, 0, 64), 4, [this] { hand_over(); }));
    mine.back()->use(clock_now(), [&](dht::Node& n, dht::Output& out) {
      n.add_introducers(clock_now(), {&router[0]->local(), 1}, out);
    });
  }
  /// How many seeds and others the router shows.
  std::pair<double, double> scrape() {
    std::optional<dht::event::ScrapeDone> done;
    std::unique_ptr<DhtDriver> asker;
    asker = node(Address::v4(127, 0, 0, 65), 5, [&] {
      std::vector<dht::Event> events;
      asker->take_events(events);
      for (const auto& e : events)
        if (const auto* scraped = std::get_if<dht::event::ScrapeDone>(&e)) done = *scraped;
    });
    asker->use(clock_now(), [&](dht::Node& n, dht::Output& out) {
      n.add_introducers(clock_now(), {&router[0]->local(), 1}, out);
      (void)n.scrape(clock_now(), kTorrent, out);
    });
    REQUIRE(run_until(io, [&] { return done.has_value(); }));
    return {done->seeds, done->peers};
  }
};

}  // namespace

TEST_CASE("A search looks at once, and again only after its back-off and when it is wanted") {
  Net net(false);
  net.search.start(clock_now(), net.mine);
  CHECK_FALSE(net.search.announcing());
  REQUIRE(run_until(net.io, [&] { return net.search.rounds() == 1; }));
  CHECK(net.search.asked() == 1);
  CHECK(net.search.answered() == 1);
  CHECK(net.stored == 0);
  const wire::Instant due = net.search.next_deadline();
  CHECK(due > clock_now());
  CHECK(due <= clock_now() + PeerSearch::kFirstBackOff);

  // Time is an argument: nobody has to wait for it.
  net.search.want();
  net.search.advance(due - wire::Duration(1), net.mine);
  net.io.poll();
  CHECK(net.search.rounds() == 1);
  net.search.advance(due, net.mine);
  CHECK(net.search.next_deadline() == wire::kNever);
  REQUIRE(run_until(net.io, [&] { return net.search.rounds() == 2; }));
  const wire::Instant next = net.search.next_deadline();
  CHECK(next > clock_now() + PeerSearch::kFirstBackOff);  // it doubles
  net.search.advance(next, net.mine);                     // due, but not wanted
  net.io.poll();
  CHECK(net.search.rounds() == 2);
}

TEST_CASE("L3 an announcing search begins with a lookup and counts who stores it") {
  Net net(true);
  net.search.start(clock_now(), net.mine);
  CHECK(net.search.announcing());
  REQUIRE(run_until(net.io, [&] { return net.stored == 1; }));
  CHECK(net.router[0]->node().stored_peers(kTorrent) == 1);
  CHECK(net.search.rounds() == 1);

  net.search.stop(clock_now(), net.mine);
  CHECK_FALSE(net.search.active());
  CHECK_FALSE(net.search.announcing());
  CHECK(net.search.next_deadline() == wire::kNever);
}

TEST_CASE("S7 a torrent that is complete is announced as a seed, at once when it becomes so") {
  Net net(true);
  const bool from_the_start = GENERATE(false, true);
  net.search.set_seed(clock_now(), from_the_start, net.mine);
  CHECK_FALSE(net.mine[0]->node().ever_answered());
  net.search.start(clock_now(), net.mine);
  REQUIRE(run_until(net.io, [&] { return net.stored == 1; }));
  const auto announced = [&] { return net.router[0]->node().counters().announces_in; };
  net.search.set_seed(clock_now(), from_the_start, net.mine);  // no news
  net.io.poll();
  CHECK(announced() == 1);
  if (!from_the_start) {
    net.search.set_seed(clock_now(), true, net.mine);
    REQUIRE(run_until(net.io, [&] { return announced() > 1 && net.search.rounds() >= 2; }));
  }
  const auto [seeds, peers] = net.scrape();
  CHECK(seeds == Approx(1).margin(0.1));
  CHECK(peers == Approx(0).margin(0.1));
}

TEST_CASE("S7 a torrent that is not complete is announced as a peer") {
  Net net(true);
  net.search.start(clock_now(), net.mine);
  REQUIRE(run_until(net.io, [&] { return net.stored == 1; }));
  const auto [seeds, peers] = net.scrape();
  CHECK(seeds == Approx(0).margin(0.1));
  CHECK(peers == Approx(1).margin(0.1));
}

TEST_CASE("Who only looks says nothing when he has got all of it") {
  Net net(false);
  net.search.start(clock_now(), net.mine);
  REQUIRE(run_until(net.io, [&] { return net.search.rounds() == 1; }));
  net.search.set_seed(clock_now(), true, net.mine);
  net.io.poll();
  CHECK(net.search.rounds() == 1);
  CHECK(net.router[0]->node().counters().announces_in == 0);
}

TEST_CASE("L3 several addresses of a family announce after each other, and one of them looks for more peers") {
  Net net(true);
  net.add_sibling();
  REQUIRE(run_until(net.io,
                    [&] { return net.mine[0]->node().table_size() >= 1 && net.mine[1]->node().table_size() >= 1; }));
  const auto asked = [&](std::size_t i) { return net.mine[i]->node().counters().queries_out; };
  const auto sibling_asked = asked(1);
  const wire::Instant began = clock_now();
  net.search.start(began, net.mine);
  REQUIRE(run_until(net.io, [&] { return net.search.rounds() == 1; }));
  const auto mine_asked = asked(0);
  // Nobody waits for the other one: a search goes on.
  net.search.want();
  net.search.advance(net.search.next_deadline(), net.mine);
  REQUIRE(run_until(net.io, [&] { return net.search.rounds() == 2; }));
  CHECK(asked(0) > mine_asked);
  CHECK(asked(1) <= sibling_asked + 1);  // its own upkeep
  CHECK(clock_now() < began + PeerSearch::kApart);
}

TEST_CASE("Of each family the first that is in touch with the network looks for things") {
  Net net(false);
  net.mine.clear();
  net.mine.push_back(net.node(Address::v4(127, 0, 0, 66), 6, [] {}));  // knows nobody
  CHECK(one_of_each_family(net.mine) == std::vector{net.mine[0].get()});
  net.add_sibling();
  CHECK(one_of_each_family(net.mine) == std::vector{net.mine[0].get()});
  REQUIRE(run_until(net.io, [&] { return net.mine[1]->node().ever_answered(); }));
  CHECK(one_of_each_family(net.mine) == std::vector{net.mine[1].get()});
  net.search.start(clock_now(), net.mine);
  REQUIRE(run_until(net.io, [&] { return net.search.rounds() == 1; }));
  CHECK(net.mine[0]->node().counters().queries_out == 0);
  CHECK(one_of_each_family({}).empty());
}

TEST_CASE("T9 in a tiny network a newcomer is told at once") {
  Net net(true);
  net.search.start(clock_now(), net.mine);
  REQUIRE(run_until(net.io, [&] { return net.stored == 1; }));
  CHECK(net.search.rounds() == 1);

  auto newcomer = net.node(Address::v4(127, 0, 0, 63), 3, [] {});
  newcomer->use(clock_now(), [&](dht::Node& n, dht::Output& out) {
    n.add_introducers(clock_now(), {&net.mine[0]->local(), 1}, out);
  });
  REQUIRE(run_until(net.io, [&] { return net.stored == 2; }));
  CHECK(newcomer->node().stored_peers(kTorrent) == 1);
  CHECK(net.search.rounds() == 2);
}

TEST_CASE("Peers that announce themselves to our node cost one lookup at a time") {
  Net net(false);
  net.search.start(clock_now(), net.mine);
  REQUIRE(run_until(net.io, [&] { return net.search.rounds() == 1; }));
  net.router.clear();  // from now on every lookup waits for one that is gone
  net.search.want();
  const auto asked = [&] { return net.mine[0]->node().counters().queries_out; };
  const auto before = asked();
  for (std::uint8_t i = 0; i < 20; ++i) {
    net.announce_to_mine(i);
    net.search.advance(clock_now(), net.mine);
  }
  CHECK(net.mine[0]->node().stored_peers(kTorrent) == 20);
  CHECK(asked() > before);
  CHECK(asked() <= before + 2);
}

}  // namespace lodestone::node
