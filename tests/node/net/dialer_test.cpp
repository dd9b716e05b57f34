// SPDX-License-Identifier: Apache-2.0
#include "node/net/dialer.hpp"

#include <vector>

#include <asio/io_context.hpp>
#include <catch2/catch.hpp>

#include "node/net/acceptor.hpp"
#include "node/net/clock.hpp"
#include "node/net/sockets.hpp"
#include "tests/node/event_loop.hpp"

namespace lodestone::node {
namespace {

using test::run_until;
using wire::Address;
using wire::Endpoint;

const wire::InfoHash kTorrent = *wire::InfoHash::from_hex("0123456789abcdef0123456789abcdef01234567");

struct Calls {
  std::vector<Dialer::Result> results;
  Dialer dialer;

  explicit Calls(asio::io_context& io, wire::Duration timeout = std::chrono::seconds(10))
      : dialer(io, timeout, [this](Dialer::Result&& r) { results.push_back(std::move(r)); }) {}
};

/// A listener whose queue is full: further SYNs are dropped, so that a connect() never ends by itself.
struct BlackHole {
  UniqueFd listener;
  std::vector<UniqueFd> fillers;
  Endpoint endpoint;

  BlackHole() {
    listener = UniqueFd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_storage address;
    const socklen_t size = to_sockaddr({Address::v4(127, 0, 0, 1), 0}, address);
    REQUIRE(::bind(listener.fd(), reinterpret_cast<const sockaddr*>(&address), size) == 0);
    REQUIRE(::listen(listener.fd(), 0) == 0);
    endpoint = *local_endpoint(listener.fd());
    for (int i = 0; i < 4; ++i) {
      auto filler = connect_tcp(endpoint, std::nullopt);
      REQUIRE(filler);
      fillers.push_back(*std::move(filler));
    }
  }
};

}  // namespace

TEST_CASE("The dialer connects, from the address it is told") {
  asio::io_context io;
  auto listening = listen_tcp({Address::v4(127, 0, 0, 1), 0});
  REQUIRE(listening);
  std::vector<Endpoint> accepted;
  std::vector<UniqueFd> sockets;
  Acceptor acceptor(io, *std::move(listening), [&](UniqueFd socket, const Endpoint& remote) {
    accepted.push_back(remote);
    sockets.push_back(std::move(socket));
  });
  Calls calls(io);
  calls.dialer.dial(clock_now(), kTorrent, acceptor.local(), Address::v4(127, 0, 0, 5));
  CHECK(calls.results.empty());
  REQUIRE(run_until(io, [&] { return !calls.results.empty() && !accepted.empty(); }));
  REQUIRE(calls.results[0].socket);
  CHECK(calls.results[0].to == acceptor.local());
  CHECK(calls.results[0].torrent == kTorrent);
  CHECK(accepted[0].address == Address::v4(127, 0, 0, 5));
  CHECK(local_endpoint(calls.results[0].socket->fd()) == accepted[0]);
  CHECK(calls.dialer.pending() == 0);
}

TEST_CASE("The dialer tells a refusal from an unreachable address") {
  asio::io_context io;
  Endpoint nobody;
  {
    const auto socket = listen_tcp({Address::v4(127, 0, 0, 1), 0});
    REQUIRE(socket);
    nobody = *local_endpoint(socket->fd());
  }
  Calls calls(io);
  calls.dialer.dial(clock_now(), kTorrent, nobody, std::nullopt);
  REQUIRE(run_until(io, [&] { return calls.results.size() == 1; }));
  REQUIRE_FALSE(calls.results[0].socket);
  CHECK(calls.results[0].socket.error() == magnet::DialError::refused);

  // From loopback there is no way to a public address; the system says so inside connect(), the dialer says it later.
  calls.dialer.dial(clock_now(), kTorrent, {Address::v4(9, 9, 9, 9), 9}, Address::v4(127, 0, 0, 1));
  CHECK(calls.results.size() == 1);
  REQUIRE(run_until(io, [&] { return calls.results.size() == 2; }));
  REQUIRE_FALSE(calls.results[1].socket);
  CHECK(calls.results[1].socket.error() == magnet::DialError::unreachable);
}

TEST_CASE("The dialer gives up after its time limit") {
  asio::io_context io;
  const BlackHole hole;
  Calls calls(io, std::chrono::milliseconds(50));
  const wire::Instant begin = clock_now();
  calls.dialer.dial(begin, kTorrent, hole.endpoint, std::nullopt);
  REQUIRE(run_until(io, [&] { return calls.results.size() == 1; }));
  REQUIRE_FALSE(calls.results[0].socket);
  CHECK(calls.results[0].socket.error() == magnet::DialError::timed_out);
  CHECK(clock_now() - begin >= std::chrono::milliseconds(50));
  CHECK(calls.dialer.pending() == 0);
}

TEST_CASE("A cancelled dial comes to nothing") {
  asio::io_context io;
  const BlackHole hole;
  Calls calls(io, std::chrono::milliseconds(50));
  const auto other = *wire::InfoHash::from_hex("ffffffffffffffffffffffffffffffffffffffff");
  calls.dialer.dial(clock_now(), kTorrent, hole.endpoint, std::nullopt);
  calls.dialer.dial(clock_now(), other, hole.endpoint, std::nullopt);
  calls.dialer.cancel(kTorrent);
  CHECK(calls.dialer.pending() == 1);
  REQUIRE(run_until(io, [&] { return calls.dialer.pending() == 0; }));
  REQUIRE(calls.results.size() == 1);
  CHECK(calls.results[0].torrent == other);
}

TEST_CASE("A taken port is an error that says so; v4 and v6 do not take it from each other") {
  const auto first = listen_tcp({Address::v4(127, 0, 0, 1), 0});
  REQUIRE(first);
  const Endpoint taken = *local_endpoint(first->fd());
  const auto second = listen_tcp(taken);
  REQUIRE_FALSE(second);
  CHECK(second.error() == std::errc::address_in_use);
  if (bind_udp({*Address::parse("::1"), 0})) CHECK(listen_tcp({*Address::parse("::1"), taken.port}));
}

}  // namespace lodestone::node
