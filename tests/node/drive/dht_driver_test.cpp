// SPDX-License-Identifier: Apache-2.0
#include "node/drive/dht_driver.hpp"

#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include <asio/io_context.hpp>
#include <catch2/catch.hpp>

#include "node/net/clock.hpp"
#include "node/net/sockets.hpp"
#include "tests/node/event_loop.hpp"

namespace lodestone::node {
namespace {

using test::run_until;
using wire::Address;
using wire::Endpoint;

struct Node {
  std::vector<dht::Event> events;
  std::unique_ptr<DhtDriver> driver;

  Node(asio::io_context& io, const Endpoint& local, std::uint64_t seed) {
    auto socket = bind_udp(local);
    REQUIRE(socket);
    auto rng = wire::Rng::from_number(seed);
    dht::NodeConfig c;
    c.family = local.family();
    c.id = rng.id<wire::NodeId>();
    c.policy = wire::AddressPolicy::everything();
    c.private_net = true;
    c.limits = dht::Limits::client();
    driver = std::make_unique<DhtDriver>(io, *std::move(socket), clock_now(), c, rng.fork(),
                                         [this] { driver->take_events(events); });
  }
  template <class Event>
  [[nodiscard]] const Event* find() const {
    for (const auto& e : events)
      if (const auto* found = std::get_if<Event>(&e)) return found;
    return nullptr;
  }
};

}  // namespace

TEST_CASE("A DHT node answers over a real socket") {
  asio::io_context io;
  Node a(io, {Address::v4(127, 0, 0, 21), 0}, 1);
  Node b(io, {Address::v4(127, 0, 0, 22), 0}, 2);
  a.driver->use(clock_now(), [&](dht::Node& n, dht::Output& out) { n.ping(clock_now(), b.driver->local(), out); });
  REQUIRE(run_until(io, [&] { return a.find<dht::event::QueryDone>() != nullptr; }));
  const auto& done = *a.find<dht::event::QueryDone>();
  CHECK(done.answered);
  CHECK(done.id == b.driver->node().id());
  CHECK(done.to == b.driver->local());
  CHECK(done.rtt > wire::Duration::zero());
}

TEST_CASE("A node on a wildcard address answers from the address that was asked") {
  // L5: to the asker, a reply from any other address is no reply.
  asio::io_context io;
  Node wildcard(io, {Address{}, 0}, 1);
  Node asker(io, {Address::v4(127, 0, 0, 23), 0}, 2);
  const Endpoint asked{Address::v4(127, 0, 0, 99), wildcard.driver->local().port};
  asker.driver->use(clock_now(), [&](dht::Node& n, dht::Output& out) { n.ping(clock_now(), asked, out); });
  REQUIRE(run_until(io, [&] { return asker.find<dht::event::QueryDone>() != nullptr; }));
  CHECK(asker.find<dht::event::QueryDone>()->answered);
}

TEST_CASE("L9 who wants the other family's nodes gets those of the sister node") {
  asio::io_context io;
  Node four(io, {Address::v4(127, 0, 0, 27), 0}, 1);
  Node six(io, *Endpoint::parse("[::1]:0"), 2);
  Node friend_of_six(io, *Endpoint::parse("[::1]:0"), 3);
  four.driver->set_sister(*six.driver);
  friend_of_six.driver->use(clock_now(), [&](dht::Node& node, dht::Output& out) {
    node.add_introducers(clock_now(), {&six.driver->local(), 1}, out);
  });
  REQUIRE(run_until(io, [&] { return six.driver->node().table_size() == 1; }));
  std::string reply;
  auto socket = bind_udp({Address::v4(127, 0, 0, 28), 0});
  REQUIRE(socket);
  UdpPort asker(io, *std::move(socket),
                [&](std::span<const UdpPort::Received> received) { reply = wire::as_text(received.front().bytes); });
  wire::DatagramBatch query;
  const std::string twenty(20, 'x');
  query.push(four.driver->local(), wire::as_bytes("d1:ad2:id20:" + twenty + "6:target20:" + twenty +
                                                  "4:wantl2:n42:n6ee1:q9:find_node1:t1:x1:y1:qe"));
  asker.send(query, {});
  REQUIRE(run_until(io, [&] { return !reply.empty(); }));
  CHECK(reply.find("6:nodes638:" + std::string{wire::as_text(friend_of_six.driver->node().id().view())}) !=
        std::string::npos);
}

TEST_CASE("T9 a node without an introducer of its family gets contacts from its sister, over real sockets") {
  asio::io_context io;
  Node four(io, {Address::v4(127, 0, 0, 31), 0}, 1);
  Node six(io, *Endpoint::parse("[::1]:0"), 2);
  Node their_four(io, {Address::v4(127, 0, 0, 32), 0}, 3);
  Node their_six(io, *Endpoint::parse("[::1]:0"), 4);
  Node friend_of_six(io, *Endpoint::parse("[::1]:0"), 5);
  four.driver->set_sister(*six.driver);
  six.driver->set_sister(*four.driver);
  their_four.driver->set_sister(*their_six.driver);
  their_six.driver->set_sister(*their_four.driver);
  const auto introduce = [](Node& who, const Node& to) {
    who.driver->use(clock_now(), [&](dht::Node& node, dht::Output& out) {
      node.add_introducers(clock_now(), {&to.driver->local(), 1}, out);
    });
  };
  introduce(friend_of_six, their_six);
  REQUIRE(run_until(io, [&] { return their_six.driver->node().table_size() == 1; }));
  CHECK(six.driver->node().wants_contacts(clock_now()));
  introduce(four, their_four);
  REQUIRE(run_until(io, [&] { return six.driver->node().table_size() == 2; }));
  CHECK(six.find<dht::event::FirstContact>() != nullptr);
  CHECK(four.driver->node().table_size() == 1);
}

TEST_CASE("Three nodes find each other from one introducer") {
  asio::io_context io;
  Node a(io, {Address::v4(127, 0, 0, 24), 0}, 1);
  Node b(io, {Address::v4(127, 0, 0, 25), 0}, 2);
  Node c(io, {Address::v4(127, 0, 0, 26), 0}, 3);
  for (Node* n : {&b, &c}) {
    n->driver->use(clock_now(), [&](dht::Node& node, dht::Output& out) {
      node.add_introducers(clock_now(), {&a.driver->local(), 1}, out);
    });
  }
  REQUIRE(run_until(io, [&] {
    return a.driver->node().table_size() == 2 && b.driver->node().table_size() == 2 &&
           c.driver->node().table_size() == 2;
  }));
  CHECK(b.find<dht::event::FirstContact>() != nullptr);
  CHECK(b.driver->node().ever_answered());
}

}  // namespace lodestone::node
