// SPDX-License-Identifier: Apache-2.0
// A node and two threads in front of it on one port of the loopback, asked from many prefixes.
#include "node/drive/front_thread.hpp"

#include <sys/socket.h>

#include <array>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <asio/io_context.hpp>
#include <catch2/catch.hpp>

#include "dht/node_id_security.hpp"
#include "node/drive/dht_driver.hpp"
#include "node/net/clock.hpp"
#include "node/net/sockets.hpp"
#include "tests/node/event_loop.hpp"

namespace lodestone::node {
namespace {

using test::run_until;
using wire::Address;
using wire::Endpoint;
namespace krpc = dht::krpc;

constexpr std::size_t kThreads = 3;

struct Server {
  explicit Server(asio::io_context& io) {
    auto group = bind_udp_group({Address::v4(127, 0, 0, 60), 0}, kThreads);
    REQUIRE(group);
    dht::NodeConfig c;
    c.id = rng.id<wire::NodeId>();
    c.policy = wire::AddressPolicy::everything();
    c.private_net = true;
    c.limits = dht::Limits::bootstrap();
    c.limits.ring_size = 1'000;
    c.limits.ping_queue = 1'000;
    c.limits.visitors = 1'000;
    c.announced = &announced;
    const auto fronts_config = c;
    driver = std::make_unique<DhtDriver>(io, std::move(group->front()), clock_now(), std::move(c), rng.fork(), [] {});
    wire::ByteVector ring;
    for (std::uint32_t i = 1; i <= 200; ++i) {
      dht::CompactContact compact(dht::Contact{rng.id<wire::NodeId>(), {Address::v4(127u << 24 | 9u << 16 | i), 1}});
      ring.insert(ring.end(), compact.data(), compact.data() + dht::Contact::compact_size(wire::Family::v4));
    }
    driver->use(clock_now(), [&](dht::Node& n, dht::Output&) { n.restore_ring(ring); });
    for (std::size_t i = 1; i < group->size(); ++i) {
      auto line = std::make_shared<FrontLine>();
      auto front = std::make_unique<dht::Front>(clock_now(), fronts_config,
                                                dht::Front::News{driver->node().id(), driver->node().tokens()},
                                                announced, false, rng.fork());
      driver->add_front(io, line);
      std::vector<FrontThread::Post> posts;
      posts.push_back({std::move((*group)[i]), nullptr, std::move(front), std::move(line)});
      threads.push_back(std::make_unique<FrontThread>(std::move(posts)));
    }
  }

  wire::Rng rng = wire::Rng::from_number(3);
  dht::HashFilter announced;
  std::unique_ptr<DhtDriver> driver;
  std::vector<std::unique_ptr<FrontThread>> threads;
};

class Client {
 public:
  explicit Client(const Address& address) : socket_(*bind_udp({address, 0})) {}

  /// The reply, as its bytes.
  std::optional<std::string> ask(asio::io_context& io, const Endpoint& to, const std::string& query) {
    sockaddr_storage name;
    const socklen_t size = to_sockaddr(to, name);
    if (::sendto(socket_.fd(), query.data(), query.size(), 0, reinterpret_cast<sockaddr*>(&name), size) < 0)
      return std::nullopt;
    std::array<char, 2'048> room;
    std::optional<std::string> reply;
    const bool came = run_until(io, [&] {
      const ssize_t n = ::recv(socket_.fd(), room.data(), room.size(), MSG_DONTWAIT);
      // The node pings us, too: what we want is an answer.
      if (n > 7 && std::string_view{room.data(), static_cast<std::size_t>(n)}.ends_with("1:y1:re"))
        reply.emplace(room.data(), static_cast<std::size_t>(n));
      return reply.has_value();
    });
    return came ? reply : std::nullopt;
  }

 private:
  UniqueFd socket_;
};

std::string key(char c) { return "20:" + std::string(20, c); }
std::string query(const std::string& method, const std::string& arguments) {
  return "d1:ad2:id" + key('i') + arguments + "e1:q" + std::to_string(method.size()) + ":" + method + "1:t2:aa1:y1:qe";
}
std::size_t nodes_in(const std::string& reply) {
  const auto at = reply.find("5:nodes");
  return at == std::string::npos ? 0 : static_cast<std::size_t>(std::atoi(reply.c_str() + at + 7)) / 26;
}

}  // namespace

TEST_CASE("Whoever asks a node of several threads is answered by one of them, always the same") {
  asio::io_context io;
  Server server(io);
  const Endpoint to = server.driver->local();
  constexpr int kPrefixes = 24;
  for (int i = 0; i < kPrefixes; ++i) {
    INFO("127.0." << i << ".7");
    Client client(Address::v4(127, 0, static_cast<std::uint8_t>(i), 7));
    const auto pong = client.ask(io, to, query("ping", ""));
    REQUIRE(pong);
    CHECK(pong->find(std::string{wire::as_text(server.driver->node().id().view())}) != std::string::npos);
    const auto first = client.ask(io, to, query("find_node", "6:target" + key('x')));
    REQUIRE(first);
    CHECK(nodes_in(*first) == 16);
  }
  server.threads.clear();  // their last counts are told at the end
  std::size_t busy = server.driver->node().counters().queries_in > 0;
  for (const auto& front : server.driver->front_counts()) busy += front.front.queries_in > 0;
  CHECK(busy == kThreads);
  CHECK(server.driver->counters().queries_in == 2 * kPrefixes);
  CHECK(server.driver->counters().replies_out == 2 * kPrefixes);
}

TEST_CASE("What is announced through one thread is found through all") {
  asio::io_context io;
  Server server(io);
  const Endpoint to = server.driver->local();
  for (int i = 0; i < 12; ++i) {
    INFO("announced from 127.0." << i << ".7");
    const char hash = static_cast<char>('a' + i);
    Client peer(Address::v4(127, 0, static_cast<std::uint8_t>(i), 7));
    const auto told = peer.ask(io, to, query("get_peers", "9:info_hash" + key(hash)));
    REQUIRE(told);
    const auto at = told->find("5:token8:");
    REQUIRE(at != std::string::npos);
    const std::string token = told->substr(at + 9, 8);
    REQUIRE(peer.ask(io, to, query("announce_peer", "9:info_hash" + key(hash) + "4:porti6881e5:token8:" + token)));
    Client asker(Address::v4(127, 0, static_cast<std::uint8_t>(100 + i), 7));
    const auto found = asker.ask(io, to, query("get_peers", "9:info_hash" + key(hash)));
    REQUIRE(found);
    CHECK(found->find("6:valuesl6:") != std::string::npos);
  }
}

TEST_CASE("A port that somebody has is not shared with him") {
  const auto other = bind_udp({Address::v4(127, 0, 0, 61), 0});
  REQUIRE(other);
  const auto taken = bind_udp_group(*local_endpoint(other->fd()), 2);
  REQUIRE_FALSE(taken);
  CHECK(taken.error() == std::errc::address_in_use);

  const auto group = bind_udp_group({Address::v4(127, 0, 0, 61), 0}, 2);
  REQUIRE(group);
  CHECK(local_endpoint(group->front().fd())->port == local_endpoint(group->back().fd())->port);
  CHECK_FALSE(bind_udp_group(*local_endpoint(group->front().fd()), 2));
}

}  // namespace lodestone::node
