// SPDX-License-Identifier: Apache-2.0
#include "magnet/swarm/download.hpp"

#include <catch2/catch.hpp>

namespace lodestone::magnet {
namespace {

using namespace std::chrono_literals;
constexpr wire::Instant kStart{1h};

TEST_CASE("a choking peer whose allowed-fast pieces are all had costs no walk over the others") {
  const std::uint32_t count = 1'000'000;
  const auto geometry = *wire::Geometry::make(std::uint64_t{count} * wire::kBlockSize, wire::kBlockSize);
  Download download(geometry, {}, wire::Rng::from_number(1));
  PeerTable peers;
  Peer& peer = peers.add(kStart, {1, 1}, {wire::Address::v4(10, 0, 0, 1), 1}, true);
  peer.ready = peer.fast = true;
  download.on_joined(peer);
  wire::Bitfield have(count);
  for (std::uint32_t p = 0; p < 20; ++p) have.set(wire::PieceIndex{p});
  Actions out;
  download.on_pieces(kStart, peers, peer, wire::Bitfield(count, true), out);
  download.begin(wire::Bitfield(count, true), have, peers, out);
  download.start(kStart, peers, out);
  for (std::uint32_t p = 0; p < 10; ++p) download.on_allowed_fast(kStart, peers, peer, wire::PieceIndex{p}, out);
  out.clear();
  // 100,000 looks; a walk over the pieces in each would be 10^11 steps and never end.
  for (int i = 0; i < 100'000; ++i) download.tick(kStart + i * 1ms, peers, out);
  CHECK(out.empty());
  // One more piece that it allows, and that we lack, is asked for.
  download.on_allowed_fast(kStart + 100s, peers, peer, wire::PieceIndex{77}, out);
  REQUIRE(out.size() == 1);
  const auto& send = std::get<action::Send>(out[0]);
  CHECK(std::get<wire::peer_message::Request>(send.message).range.piece == wire::PieceIndex{77});
}

}  // namespace
}  // namespace lodestone::magnet
