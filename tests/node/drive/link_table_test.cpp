// SPDX-License-Identifier: Apache-2.0
#include "node/drive/link_table.hpp"

#include <map>
#include <memory>
#include <vector>

#include <asio/io_context.hpp>
#include <catch2/catch.hpp>

#include "node/net/acceptor.hpp"
#include "node/net/clock.hpp"
#include "node/net/sockets.hpp"
#include "tests/node/event_loop.hpp"
#include "wire/base/geometry.hpp"

namespace lodestone::node {
namespace {

using test::run_until;
using wire::Address;
using wire::Endpoint;

const wire::InfoHash kTorrent = *wire::InfoHash::from_hex("0123456789abcdef0123456789abcdef01234567");

wire::PeerConnectionConfig config_of(char name) {
  wire::PeerConnectionConfig c;
  c.our_id.bytes().fill(static_cast<std::uint8_t>(name));
  return c;
}

/// One side: a table, and an observer that answers handshakes and keeps what it hears.
struct Side final : LinkObserver {
  wire::BlockPool& pool;
  LinkTable table;
  wire::Geometry geometry;
  std::map<LinkKey, std::vector<wire::PeerEvent>> heard;
  std::vector<std::pair<magnet::CloseReason, std::optional<wire::PeerError>>> gone;
  std::uint64_t payload_sent = 0;
  int served = 0;

  Side(asio::io_context& io, wire::BlockPool& blocks, const wire::Geometry& g)
      : pool(blocks), table(io, blocks, *this), geometry(g) {}

  void on_link_events(wire::Instant now, LinkKey key, Link& link, wire::PeerEvents& events) override {
    for (std::size_t i = 0; i < events.size(); ++i) {
      if (const auto* wants = std::get_if<wire::peer_event::WantsTorrent>(&events[i])) {
        link.torrent = wants->info_hash;
        wire::PeerEvents more;
        REQUIRE(link.tcp.connection().set_geometry(geometry, more));
        if (const auto ok = link.tcp.connection().adopt(now, *link.torrent, {}, more); !ok) {
          table.drop(now, key, magnet::CloseReason::duplicate, ok.error());
          return;
        }
        for (auto& e : more) events.push_back(std::move(e));
        table.touch(key);
        continue;
      }
      heard[key].push_back(std::move(events[i]));
    }
  }
  void on_link_gone(wire::Instant, LinkKey, Link&, magnet::CloseReason reason,
                    std::optional<wire::PeerError> error) override {
    gone.emplace_back(reason, error);
  }
  void on_link_sent(wire::Instant, LinkKey, Link&, std::uint64_t bytes) override { payload_sent += bytes; }
  void on_links_served() override {
    ++served;
    table.flush(clock_now());
    table.unpark();
  }

  template <class Event>
  [[nodiscard]] std::size_t count(LinkKey key) {
    std::size_t n = 0;
    for (const auto& e : heard[key]) n += std::holds_alternative<Event>(e) ? 1 : 0;
    return n;
  }
  [[nodiscard]] LinkKey only_link() {
    LinkKey found;
    table.for_each([&](LinkKey key, Link&) { found = key; });
    return found;
  }
};

/// Two sides connected over loopback TCP.
struct Pair {
  asio::io_context io;
  wire::BlockPool pool_a, pool_b;
  wire::Geometry geometry = *wire::Geometry::make(64u * 16'384, 4u * 16'384);
  Side a, b;
  std::unique_ptr<Acceptor> acceptor;
  LinkKey a_link;

  explicit Pair(std::size_t blocks_a = 64, std::size_t blocks_b = 64)
      : pool_a(blocks_a * wire::kBlockSize),
        pool_b(blocks_b * wire::kBlockSize),
        a(io, pool_a, geometry),
        b(io, pool_b, geometry) {
    auto listening = listen_tcp({Address::v4(127, 0, 0, 1), 0});
    REQUIRE(listening);
    acceptor = std::make_unique<Acceptor>(io, *std::move(listening), [this](UniqueFd socket, const Endpoint& remote) {
      b.table.add(clock_now(), std::move(socket), wire::PeerConnection::incoming(clock_now(), config_of('b')), remote,
                  std::nullopt);
    });
  }
  void dial() {
    auto socket = connect_tcp(acceptor->local(), std::nullopt);
    REQUIRE(socket);
    auto connection = wire::PeerConnection::outgoing(clock_now(), config_of('a'), kTorrent);
    wire::PeerEvents none;
    REQUIRE(connection.set_geometry(geometry, none));
    a_link = a.table.add(clock_now(), *std::move(socket), std::move(connection), acceptor->local(), kTorrent);
    a.table.flush(clock_now());
  }
  void shake_hands() {
    dial();
    REQUIRE(run_until(io, [&] {
      return a.count<wire::peer_event::Ready>(a_link) == 1 && b.table.size() == 1 &&
             b.count<wire::peer_event::Ready>(b.only_link()) == 1;
    }));
  }
  [[nodiscard]] wire::BlockRange block(std::uint32_t n) const {
    return geometry.range({wire::PieceIndex{n / 4}, n % 4});
  }
  /// From a's pool, every byte telling its place.
  void send_block(std::uint32_t n) {
    wire::Block payload = pool_a.take();
    REQUIRE(payload);
    for (auto& byte : payload.bytes()) byte = static_cast<std::uint8_t>(n);
    a.table.find(a_link)->tcp.connection().send_piece(block(n), std::move(payload));
    a.table.touch(a_link);
  }
};

}  // namespace

TEST_CASE("Two links shake hands over TCP, both ways") {
  Pair p;
  p.shake_hands();
  const auto& ready = std::get<wire::peer_event::Ready>(p.a.heard[p.a_link].front());
  CHECK(ready.peer_id == config_of('b').our_id);
  CHECK(p.a.served > 0);
}

TEST_CASE("Blocks travel from pool to pool, and the sender is told how much left") {
  Pair p;
  p.shake_hands();
  for (std::uint32_t n = 0; n < 32; ++n) p.send_block(n);
  p.a.table.flush(clock_now());
  const LinkKey b_link = p.b.only_link();
  REQUIRE(run_until(p.io, [&] { return p.b.count<wire::peer_event::BlockData>(b_link) == 32; }));
  std::uint32_t n = 0;
  for (const auto& event : p.b.heard[b_link]) {
    const auto* data = std::get_if<wire::peer_event::BlockData>(&event);
    if (data == nullptr) continue;
    CHECK(p.geometry.range(data->ref) == p.block(n));
    CHECK(data->block.bytes().front() == n);
    CHECK(data->block.bytes().back() == n);
    ++n;
  }
  CHECK(p.a.payload_sent == 32u * wire::kBlockSize);
  CHECK(p.pool_a.in_use() < 32);  // what was sent came home
  p.b.heard.clear();
}

TEST_CASE("D5 a link without blocks stops reading and goes on when they come home") {
  Pair p(64, 8);
  p.shake_hands();
  for (std::uint32_t n = 0; n < 40; ++n) p.send_block(n);
  p.a.table.flush(clock_now());
  const LinkKey b_link = p.b.only_link();
  const auto blocks_of_b = [&] { return p.b.count<wire::peer_event::BlockData>(b_link); };
  REQUIRE(run_until(p.io, [&] { return p.b.table.find(b_link)->parked; }));
  CHECK(blocks_of_b() <= 8);
  std::size_t total = 0;
  // Take what is there, as a disk would; the link reads on each time.
  while (total < 40) {
    REQUIRE(run_until(p.io, [&] { return blocks_of_b() > 0; }));
    total += blocks_of_b();
    CHECK(p.pool_b.in_use() <= p.pool_b.capacity());
    p.b.heard.clear();
    p.b.table.unpark();
  }
  CHECK(total == 40);
  CHECK(p.b.gone.empty());
}

TEST_CASE("A link that rests after a burst hears what comes later, the end included") {
  Pair p;
  p.shake_hands();
  const LinkKey at_b = p.b.only_link();
  for (std::uint32_t round = 0; round < 3; ++round) {
    for (std::uint32_t n = 0; n < 16; ++n) p.send_block(round * 16 + n);
    p.a.table.flush(clock_now());
    REQUIRE(run_until(p.io, [&] { return p.b.count<wire::peer_event::BlockData>(at_b) == (round + 1) * 16; }));
  }
  p.send_block(48);
  p.a.table.flush(clock_now());
  p.a.table.close(p.a_link);
  REQUIRE(run_until(p.io, [&] { return !p.b.gone.empty(); }));
  CHECK(p.b.count<wire::peer_event::BlockData>(at_b) == 49);
}

TEST_CASE("W5 a peer that never shakes hands is dropped in time") {
  asio::io_context io;
  wire::BlockPool pool(1u << 20);
  Side side(io, pool, *wire::Geometry::make(1'000'000, 65'536));
  auto listening = listen_tcp({Address::v4(127, 0, 0, 1), 0});
  REQUIRE(listening);
  auto socket = connect_tcp(*local_endpoint(listening->fd()), std::nullopt);  // the system accepts, nobody speaks
  REQUIRE(socket);
  auto config = config_of('a');
  config.handshake_timeout = std::chrono::milliseconds(100);
  side.table.add(clock_now(), *std::move(socket), wire::PeerConnection::outgoing(clock_now(), config, kTorrent),
                 *local_endpoint(listening->fd()), kTorrent);
  REQUIRE(run_until(io, [&] { return !side.gone.empty(); }, std::chrono::seconds(5)));
  CHECK(side.gone[0].first == magnet::CloseReason::no_answer);
  CHECK(side.gone[0].second == wire::PeerError::handshake_timeout);
  CHECK(side.table.size() == 0);
}

TEST_CASE("The other side's close is noticed, and an own close is not reported") {
  Pair p;
  p.shake_hands();
  const LinkKey b_link = p.b.only_link();
  p.a.table.close(p.a_link);
  CHECK(p.a.gone.empty());
  CHECK(p.a.table.find(p.a_link) == nullptr);
  p.a.table.touch(p.a_link);  // stale: nothing happens
  REQUIRE(run_until(p.io, [&] { return !p.b.gone.empty(); }));
  CHECK(
      (p.b.gone[0].first == magnet::CloseReason::remote_closed || p.b.gone[0].first == magnet::CloseReason::io_error));
  CHECK(p.b.table.find(b_link) == nullptr);
}

TEST_CASE("W9 a connection to ourselves is noticed") {
  Pair p;
  auto socket = connect_tcp(p.acceptor->local(), std::nullopt);
  REQUIRE(socket);
  p.a.table.add(clock_now(), *std::move(socket), wire::PeerConnection::outgoing(clock_now(), config_of('b'), kTorrent),
                p.acceptor->local(), kTorrent);
  p.a.table.flush(clock_now());
  REQUIRE(run_until(p.io, [&] { return !p.a.gone.empty() && !p.b.gone.empty(); }));
  CHECK(p.b.gone[0].second == wire::PeerError::connected_to_self);
  CHECK(p.a.table.size() == 0);
  CHECK(p.b.table.size() == 0);
}

TEST_CASE("A peer that speaks another protocol costs its own connection only") {
  Pair p;
  p.shake_hands();
  auto socket = connect_tcp(p.acceptor->local(), std::nullopt);
  REQUIRE(socket);
  WatchedFd stranger(p.io, *std::move(socket), [](WatchedFd::Ready) {});
  REQUIRE(run_until(p.io, [&] { return p.b.table.size() == 2; }));
  const std::string http = "GET / HTTP/1.1\r\nHost: example\r\n\r\n" + std::string(100, 'x');
  REQUIRE(::send(stranger.fd(), http.data(), http.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(http.size()));
  REQUIRE(run_until(p.io, [&] { return p.b.gone.size() == 1; }));
  CHECK(p.b.gone[0].first == magnet::CloseReason::protocol_error);
  CHECK(p.b.table.size() == 1);
}

}  // namespace lodestone::node
