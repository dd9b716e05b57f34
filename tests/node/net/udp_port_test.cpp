// SPDX-License-Identifier: Apache-2.0
#include "node/net/udp_port.hpp"

#include <memory>
#include <set>
#include <string>
#include <vector>

#include <asio/io_context.hpp>
#include <catch2/catch.hpp>

#include "node/net/sockets.hpp"
#include "tests/node/event_loop.hpp"

namespace lodestone::node {
namespace {

using test::run_until;
using wire::Address;
using wire::Endpoint;

struct Heard {
  Endpoint from;
  Address local;
  std::string text;
};

struct Port {
  std::vector<Heard> heard;
  std::size_t largest_batch = 0;
  std::unique_ptr<UdpPort> port;

  Port(asio::io_context& io, const Endpoint& local) {
    auto socket = bind_udp(local);
    REQUIRE(socket);
    port = std::make_unique<UdpPort>(io, *std::move(socket), [this](std::span<const UdpPort::Received> batch) {
      largest_batch = std::max(largest_batch, batch.size());
      for (const auto& r : batch) heard.push_back({r.from, r.local, std::string(wire::as_text(r.bytes))});
    });
  }
};

Endpoint loopback(std::uint8_t last) { return {Address::v4(127, 0, 0, last), 0}; }

}  // namespace

TEST_CASE("A batch of datagrams arrives whole, in order, in batches") {
  asio::io_context io;
  Port a(io, loopback(1));
  Port b(io, loopback(2));
  wire::DatagramBatch batch;
  for (int i = 0; i < 200; ++i) batch.push(b.port->local(), wire::as_bytes("datagram " + std::to_string(i)));
  a.port->send(batch);
  CHECK(a.port->counters().sent == 200);
  REQUIRE(run_until(io, [&] { return b.heard.size() == 200; }));
  for (std::size_t i = 0; i < 200; ++i) {
    CHECK(b.heard[i].text == "datagram " + std::to_string(i));
    CHECK(b.heard[i].from == a.port->local());
    CHECK(b.heard[i].local == Address::v4(127, 0, 0, 2));
  }
  CHECK(b.largest_batch == UdpPort::kBatch);
  CHECK(b.port->counters().received == 200);
}

TEST_CASE("An unsendable datagram is skipped, and those behind it are sent") {
  asio::io_context io;
  Port a(io, loopback(1));
  Port b(io, loopback(2));
  wire::DatagramBatch batch;
  batch.push(b.port->local(), wire::as_bytes("first"));
  // A socket bound to loopback cannot reach a public address (EINVAL), and port 0 nowhere.
  batch.push({Address::v4(9, 9, 9, 9), 1}, wire::as_bytes("nowhere"));
  batch.push({Address::v4(127, 0, 0, 2), 0}, wire::as_bytes("port zero"));
  batch.push(b.port->local(), wire::as_bytes("last"));
  a.port->send(batch);
  REQUIRE(run_until(io, [&] { return b.heard.size() == 2; }));
  CHECK(b.heard[0].text == "first");
  CHECK(b.heard[1].text == "last");
  CHECK(a.port->counters().refused == 2);
  CHECK(a.port->counters().sent == 2);
}

TEST_CASE("A wildcard port says where a datagram was sent to and answers from there") {
  asio::io_context io;
  Port wildcard(io, {Address{}, 0});
  Port client(io, loopback(9));
  const Endpoint asked{Address::v4(127, 0, 0, 77), wildcard.port->local().port};
  wire::DatagramBatch question;
  question.push(asked, wire::as_bytes("who?"));
  client.port->send(question);
  REQUIRE(run_until(io, [&] { return wildcard.heard.size() == 1; }));
  CHECK(wildcard.heard[0].local == asked.address);

  wire::DatagramBatch answer;
  answer.push(client.port->local(), wire::as_bytes("me"));
  const std::vector<Address> sources{wildcard.heard[0].local};
  wildcard.port->send(answer, sources);
  REQUIRE(run_until(io, [&] { return client.heard.size() == 1; }));
  CHECK(client.heard[0].from == asked);
}

TEST_CASE("A v6 wildcard port answers from the address that was asked") {
  asio::io_context io;
  const auto probe = bind_udp({*Address::parse("::1"), 0});
  if (!probe) {
    WARN("no IPv6 on this machine");
    return;
  }
  Port wildcard(io, {Address::v6({}), 0});
  Port client(io, {*Address::parse("::1"), 0});
  wire::DatagramBatch question;
  question.push({*Address::parse("::1"), wildcard.port->local().port}, wire::as_bytes("who?"));
  client.port->send(question);
  REQUIRE(run_until(io, [&] { return wildcard.heard.size() == 1; }));
  CHECK(wildcard.heard[0].local == *Address::parse("::1"));
  wire::DatagramBatch answer;
  answer.push(wildcard.heard[0].from, wire::as_bytes("me"));
  wildcard.port->send(answer, std::vector<Address>{wildcard.heard[0].local});
  REQUIRE(run_until(io, [&] { return client.heard.size() == 1; }));
  CHECK(client.heard[0].from.address == *Address::parse("::1"));
}

TEST_CASE("A datagram that is too long is dropped and counted") {
  asio::io_context io;
  Port a(io, loopback(1));
  Port b(io, loopback(2));
  wire::DatagramBatch batch;
  batch.push(b.port->local(), wire::as_bytes(std::string(UdpPort::kMaxDatagram + 1, 'x')));
  batch.push(b.port->local(), wire::as_bytes(std::string(UdpPort::kMaxDatagram, 'y')));
  a.port->send(batch);
  REQUIRE(run_until(io, [&] { return b.heard.size() == 1; }));
  CHECK(b.heard[0].text == std::string(UdpPort::kMaxDatagram, 'y'));
  CHECK(b.port->counters().oversized == 1);
}

TEST_CASE("One wake-up of a flooded port is bounded") {
  asio::io_context io;
  Port a(io, loopback(1));
  Port b(io, loopback(2));
  wire::DatagramBatch batch;
  for (std::size_t i = 0; i < 12 * UdpPort::kBatch; ++i) batch.push(b.port->local(), wire::as_bytes("x"));
  a.port->send(batch);
  REQUIRE(run_until(io, [&] { return !b.heard.empty(); }));
  CHECK(b.heard.size() <= UdpPort::kBatch * UdpPort::kBatchesPerWake);
  REQUIRE(run_until(io, [&] { return b.heard.size() == 12 * UdpPort::kBatch; }));
}

}  // namespace lodestone::node
