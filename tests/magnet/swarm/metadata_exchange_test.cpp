// SPDX-License-Identifier: Apache-2.0
#include "magnet/swarm/metadata_exchange.hpp"

#include <catch2/catch.hpp>

#include "wire/base/rng.hpp"

namespace lodestone::magnet {
namespace {

using namespace std::chrono_literals;
using wire::UtMetadata;
constexpr wire::Instant kStart{1h};

wire::ByteVector raw_of(std::size_t size) {
  wire::ByteVector raw(size);
  wire::Rng::from_number(1).fill(raw);
  return raw;
}

UtMetadata ask(MetadataExchange& m, Peer& peer, std::uint32_t piece, wire::Instant now = kStart) {
  UtMetadata request;
  request.type = UtMetadata::Type::request;
  request.piece = piece;
  Actions out;
  const auto news = m.on_message(now, peer, std::move(request), out);
  CHECK(news.liars.empty());
  REQUIRE(out.size() == 1);
  auto& send = std::get<action::Send>(out[0]);
  CHECK(send.link == peer.link);
  return std::get<wire::peer_message::Metadata>(send.message).message;
}

TEST_CASE("M4 the verified dict is served from the raw slice") {
  const auto raw = raw_of(40'000);
  MetadataExchange m(wire::InfoHash{});
  Peer peer(kStart, {1, 1}, {wire::Address::v4(10, 0, 0, 1), 1}, true);
  CHECK(ask(m, peer, 0).type == UtMetadata::Type::reject);
  CHECK_FALSE(m.served_size().has_value());
  m.set_known(raw, false);
  CHECK(m.served_size() == 40'000);
  wire::ByteVector all;
  for (std::uint32_t p = 0; p < 3; ++p) {
    const auto answer = ask(m, peer, p);
    CHECK(answer.type == UtMetadata::Type::data);
    CHECK(answer.piece == p);
    CHECK(answer.total_size == 40'000);
    all.insert(all.end(), answer.data.begin(), answer.data.end());
  }
  CHECK(all == raw);
  CHECK(ask(m, peer, 3).type == UtMetadata::Type::reject);
  CHECK(ask(m, peer, 0xffffffff).type == UtMetadata::Type::reject);
}

TEST_CASE("M4 serving is rate-limited per peer") {
  MetadataExchange m(wire::InfoHash{});
  m.set_known(raw_of(20'000), false);
  Peer greedy(kStart, {1, 1}, {wire::Address::v4(10, 0, 0, 1), 1}, true);
  Peer modest(kStart, {2, 1}, {wire::Address::v4(10, 0, 0, 2), 1}, true);
  int served = 0;
  for (int i = 0; i < 1'000; ++i) served += ask(m, greedy, 0).type == UtMetadata::Type::data;
  CHECK(served == 64);
  CHECK(ask(m, modest, 0).type == UtMetadata::Type::data);
  for (int i = 0; i < 1'000; ++i) served += ask(m, greedy, 0, kStart + 10s).type == UtMetadata::Type::data;
  CHECK(served <= 64 + 64);
  CHECK(served > 64);
}

TEST_CASE("M4 never for private torrents") {
  MetadataExchange m(wire::InfoHash{});
  m.set_known(raw_of(20'000), true);
  Peer peer(kStart, {1, 1}, {wire::Address::v4(10, 0, 0, 1), 1}, true);
  CHECK(ask(m, peer, 0).type == UtMetadata::Type::reject);
  CHECK_FALSE(m.served_size().has_value());
}

TEST_CASE("M5 a peer without ut_metadata, or with id 0, is not asked") {
  MetadataExchange m(wire::InfoHash{});
  Peer peer(kStart, {1, 1}, {wire::Address::v4(10, 0, 0, 1), 1}, true);
  Actions out;
  peer.extensions.metadata_size = 20'000;
  (void)m.on_extensions(kStart, peer, out);
  peer.extensions.ut_metadata = std::uint8_t{0};
  (void)m.on_extensions(kStart, peer, out);
  CHECK(out.empty());
  peer.extensions.ut_metadata = std::uint8_t{3};
  (void)m.on_extensions(kStart, peer, out);
  CHECK(out.size() == 2);
  CHECK(m.fetch().sources() == 1);
  peer.extensions.ut_metadata = std::uint8_t{0};  // and then no more
  (void)m.on_extensions(kStart, peer, out);
  CHECK(m.fetch().sources() == 0);
}

}  // namespace
}  // namespace lodestone::magnet
