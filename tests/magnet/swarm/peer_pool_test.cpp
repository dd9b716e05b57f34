// SPDX-License-Identifier: Apache-2.0
#include "magnet/swarm/peer_pool.hpp"

#include <map>

#include <catch2/catch.hpp>

#include "magnet/swarm/peer_priority.hpp"

namespace lodestone::magnet {
namespace {

using namespace std::chrono_literals;
constexpr wire::Instant kStart{1h};

wire::Endpoint ep(std::uint32_t n, std::uint16_t port = 6881) { return {wire::Address::v4(0x05000000u + n), port}; }

PeerPoolConfig config() {
  PeerPoolConfig c;
  c.policy = wire::AddressPolicy::everything();
  c.max_known = 100;
  return c;
}

PeerPool pool_of(PeerPoolConfig c = config()) { return PeerPool(c, wire::Rng::from_number(1)); }

/// Dials whatever may be dialled now.
std::vector<wire::Endpoint> dial_all(PeerPool& pool, wire::Instant now, std::size_t links = 80) {
  std::vector<wire::Endpoint> out;
  while (auto d = pool.next_dial(now, links)) out.push_back(d->to);
  pool.check_invariants();
  return out;
}

TEST_CASE("BEP 40 priority: the examples of the BEP") {
  const auto at = [](const char* text) { return wire::Endpoint{*wire::Address::parse(text), 0}; };
  CHECK(crc32c(wire::as_bytes("123456789")) == 0xe3069283u);
  CHECK(canonical_priority(at("123.213.32.10"), at("98.76.54.32")) == 0xec2d7224u);
  CHECK(canonical_priority(at("98.76.54.32"), at("123.213.32.10")) == 0xec2d7224u);
  CHECK(canonical_priority(at("123.213.32.10"), at("123.213.32.234")) == 0x99568189u);
  CHECK(canonical_priority({at("1.2.3.4").address, 1}, {at("1.2.3.4").address, 2}) ==
        canonical_priority({at("1.2.3.4").address, 2}, {at("1.2.3.4").address, 1}));
  CHECK(canonical_priority(at("1.2.3.4"), at("2001:db8::1")) == 0);
  CHECK(canonical_priority(at("2001:db8::1"), at("2001:db9::1")) ==
        canonical_priority(at("2001:db9::1"), at("2001:db8::1")));
}

TEST_CASE("L4 W9 martians, port 0, ourselves, banned ones and duplicates are not taken") {
  PeerPoolConfig c = config();
  c.policy = wire::AddressPolicy{};
  c.policy.allow(wire::AddressKind::global);
  auto pool = pool_of(c);
  pool.add_own(ep(1));
  pool.ban(ep(2));
  pool.ban({ep(3).address, 0});
  CHECK_FALSE(pool.add(kStart, ep(1), PeerSource::dht));
  CHECK_FALSE(pool.add(kStart, ep(2), PeerSource::dht));
  CHECK_FALSE(pool.add(kStart, ep(3, 99), PeerSource::dht));
  CHECK(pool.add(kStart, ep(2, 99), PeerSource::dht));
  CHECK_FALSE(pool.add(kStart, ep(4, 0), PeerSource::dht));
  CHECK_FALSE(pool.add(kStart, {wire::Address::v4(127, 0, 0, 1), 5}, PeerSource::dht));
  CHECK_FALSE(pool.add(kStart, {wire::Address::v4(224, 0, 0, 1), 5}, PeerSource::dht));
  CHECK(pool.add(kStart, ep(5), PeerSource::dht));
  CHECK_FALSE(pool.add(kStart, ep(5), PeerSource::pex));
  CHECK(pool.known() == 2);
  CHECK(pool.seen_by_source()[static_cast<std::size_t>(PeerSource::dht)] == 2);
}

TEST_CASE("W10 no source fills more than its share, except what the user named") {
  auto pool = pool_of();
  for (std::uint32_t i = 0; i < 200; ++i) pool.add(kStart, ep(i), PeerSource::pex);
  CHECK(pool.known() == 60);
  for (std::uint32_t i = 200; i < 400; ++i) pool.add(kStart, ep(i), PeerSource::dht);
  CHECK(pool.known() == 100);
  // Full: the user's endpoint takes a stranger's place, a stranger's takes none.
  CHECK(pool.add(kStart, ep(1'000), PeerSource::magnet));
  CHECK(pool.known() == 100);
  CHECK_FALSE(pool.add(kStart, ep(1'001), PeerSource::lsd));
  // Until somebody has failed.
  const auto first = pool.next_dial(kStart, 80);
  REQUIRE(first);
  CHECK(first->to == ep(1'000));
  const auto second = pool.next_dial(kStart, 80);
  pool.dial_failed(kStart, second->to, DialError::refused);
  CHECK(pool.add(kStart, ep(1'001), PeerSource::lsd));
  pool.check_invariants();
}

TEST_CASE("W10 a source at its share goes on bringing news: what has failed makes room for it") {
  auto pool = pool_of();
  for (std::uint32_t i = 0; i < 60; ++i) REQUIRE(pool.add(kStart, ep(i * 256), PeerSource::dht));
  CHECK_FALSE(pool.add(kStart, ep(100 * 256), PeerSource::dht));
  const auto pex = ep(200 * 256);
  CHECK(pool.add(kStart, pex, PeerSource::pex));
  auto now = kStart;
  for (int i = 0; i < 2; ++i)
    for (const auto& e : dial_all(pool, now += 1s)) pool.dial_failed(now, e, DialError::timed_out);
  // All sixty are dead: a thousand peers that the DHT names later are known for a while, and dialled.
  std::size_t dialled = 0;
  for (std::uint32_t i = 0; i < 1'000; ++i) {
    now += 1min;
    CHECK(pool.add(now, ep((1'000 + i) * 256), PeerSource::dht));
    CHECK(pool.known() == 61);
    for (const auto& e : dial_all(pool, now)) {
      dialled += e.address == ep((1'000 + i) * 256).address;
      pool.dial_failed(now, e, DialError::timed_out);
    }
  }
  CHECK(dialled == 1'000);
}

TEST_CASE("W9 half-open cap and 30 dials a second") {
  PeerPoolConfig c = config();
  c.max_known = 1'000;
  auto pool = pool_of(c);
  for (std::uint32_t i = 0; i < 500; ++i) pool.add(kStart, ep(i * 256), PeerSource::dht);
  CHECK(dial_all(pool, kStart, 5).size() == 5);
  auto dialled = dial_all(pool, kStart);
  CHECK(dialled.size() == 25);
  CHECK(pool.half_open() == 30);
  CHECK(pool.next_deadline(kStart, 80) == wire::kNever);
  std::size_t dials = 30;
  auto now = kStart;
  for (const auto& e : dialled) pool.dial_failed(now, e, DialError::timed_out);
  for (int i = 0; i < 100; ++i) {
    now += 100ms;
    dialled = dial_all(pool, now);
    dials += dialled.size();
    for (const auto& e : dialled) pool.dial_failed(now, e, DialError::timed_out);
  }
  CHECK(dials >= 30 + 290);
  CHECK(dials <= 30 + 301);
  CHECK(pool.timed_out() == dials - 5);
}

TEST_CASE("back-off doubles from 4 s to 15 min and never ends") {
  auto pool = pool_of();
  pool.add(kStart, ep(1), PeerSource::dht);
  auto now = kStart;
  double last = 0;
  for (int i = 0; i < 20; ++i) {
    REQUIRE(dial_all(pool, now).size() == 1);
    pool.dial_failed(now, ep(1), DialError::refused);
    CHECK(dial_all(pool, now).empty());
    const auto next = pool.next_deadline(now, 80);
    REQUIRE(dial_all(pool, next - 1ns).empty());
    const auto then = pool.next_deadline(now, 80);
    const double wait = wire::to_seconds(then - now);
    const double expected = std::min(900.0, 4.0 * (1 << std::min(i, 10)));
    CHECK(wait >= 0.79 * expected);
    CHECK(wait <= 1.21 * expected);
    last = wait;
    now = then;
  }
  CHECK(last > 700);
  CHECK(pool.refused() == 20);
}

TEST_CASE("whoever gave us data is dialled first and soon again") {
  auto pool = pool_of();
  pool.add(kStart, ep(1), PeerSource::magnet);
  pool.add(kStart, ep(256), PeerSource::pex);
  CHECK(dial_all(pool, kStart).size() == 2);
  CHECK(pool.link_up(ep(256), false) == PeerSource::pex);
  CHECK(pool.link_up(ep(1), false) == PeerSource::magnet);
  CHECK(pool.half_open() == 0);
  pool.link_down(kStart, ep(256).address, ep(256), CloseReason::remote_closed, true);
  pool.link_down(kStart, ep(1).address, ep(1), CloseReason::remote_closed, false);
  CHECK(dial_all(pool, kStart + 3s) == std::vector{ep(256)});
  pool.dial_failed(kStart + 3s, ep(256), DialError::refused);
  const auto both = dial_all(pool, kStart + 1min);
  CHECK(both == std::vector{ep(256), ep(1)});
}

TEST_CASE("W12 at most three links and dials to one address, except in a private net") {
  auto pool = pool_of();
  for (std::uint16_t port = 1; port <= 5; ++port) pool.add(kStart, ep(1, port), PeerSource::dht);
  CHECK(dial_all(pool, kStart).size() == 3);
  CHECK_FALSE(pool.has_room(ep(1).address));
  pool.dial_failed(kStart, ep(1, 1), DialError::refused);
  pool.dial_failed(kStart, ep(1, 2), DialError::refused);
  pool.dial_failed(kStart, ep(1, 3), DialError::refused);
  CHECK(pool.half_open() <= 1);
  CHECK_FALSE(dial_all(pool, kStart).empty());
  pool.link_up(ep(9, 1), true);
  pool.link_up(ep(9, 2), true);
  CHECK(pool.has_room(ep(9).address));
  pool.link_up(ep(9, 3), true);
  CHECK_FALSE(pool.has_room(ep(9).address));
  pool.link_down(kStart, ep(9).address, {}, CloseReason::remote_closed, false);
  CHECK(pool.has_room(ep(9).address));

  PeerPoolConfig c = config();
  c.private_net = true;
  auto free = pool_of(c);
  for (std::uint16_t port = 1; port <= 9; ++port) free.add(kStart, ep(1, port), PeerSource::dht);
  CHECK(dial_all(free, kStart).size() == 9);
}

TEST_CASE("an incoming peer's listening endpoint is known, and is not dialled while it is linked") {
  auto pool = pool_of();
  CHECK(pool.link_up(ep(1, 50'000), true) == PeerSource::incoming);
  CHECK(pool.learnt_listen_port(kStart, ep(1)));
  CHECK(pool.known() == 1);
  CHECK(dial_all(pool, kStart).empty());
  CHECK_FALSE(pool.learnt_listen_port(kStart, ep(1)));  // a second link to the same peer
  pool.link_down(kStart, ep(1).address, ep(1), CloseReason::remote_closed, false);
  CHECK(dial_all(pool, kStart + 20s) == std::vector{ep(1)});
}

TEST_CASE("M6 a private torrent keeps only what the user named") {
  auto pool = pool_of();
  pool.add(kStart, ep(1), PeerSource::dht);
  pool.add(kStart, ep(2), PeerSource::pex);
  pool.add(kStart, ep(3), PeerSource::magnet);
  pool.add(kStart, ep(4), PeerSource::dht);
  pool.add(kStart, ep(4), PeerSource::magnet);  // a stranger named it first
  pool.keep_only_explicit();
  CHECK(pool.known() == 2);
  pool.check_invariants();
}

TEST_CASE("a duplicate, a ban or a peer we do not need is not dialled again at once") {
  auto pool = pool_of();
  pool.add(kStart, ep(1), PeerSource::dht);
  dial_all(pool, kStart);
  pool.link_up(ep(1), false);
  pool.link_down(kStart, ep(1).address, ep(1), GENERATE(CloseReason::duplicate, CloseReason::not_needed), true);
  CHECK(dial_all(pool, kStart + 5min).empty());
  CHECK(dial_all(pool, kStart + 15min).size() == 1);
  pool.link_up(ep(1), false);
  pool.ban({ep(1).address, 0});
  pool.link_down(kStart + 16min, ep(1).address, ep(1), CloseReason::banned, true);
  CHECK(pool.banned(ep(1, 1'234)));
}

}  // namespace
}  // namespace lodestone::magnet
