// SPDX-License-Identifier: Apache-2.0
#include "magnet/swarm/peer.hpp"

#include <map>

#include <catch2/catch.hpp>

#include "wire/base/rng.hpp"

namespace lodestone::magnet {
namespace {

using namespace std::chrono_literals;
constexpr wire::Instant kStart{1h};
const wire::Endpoint kRemote{wire::Address::v4(10, 0, 0, 1), 6881};

TEST_CASE("peers are found by their keys, stale keys find nobody") {
  PeerTable table;
  wire::Rng rng = wire::Rng::from_number(3);
  std::map<LinkKey, Peer*> truth;
  std::vector<std::uint32_t> generations(40, 0);
  for (int step = 0; step < 2'000; ++step) {
    const auto slot = static_cast<std::uint32_t>(rng.below(40));
    const LinkKey key{slot, generations[slot]};
    if (truth.contains(key)) {
      table.erase(key);
      truth.erase(key);
      ++generations[slot];
      CHECK(table.find(key) == nullptr);
      CHECK(table.find_slot(slot) == nullptr);
    } else {
      truth[key] = &table.add(kStart, key, kRemote, false);
    }
    REQUIRE(table.size() == truth.size());
    for (const auto& [k, peer] : truth)
      if (table.find(k) != peer || table.find_slot(k.slot) != peer) FAIL();
  }
  CHECK(table.find({7, 99'999}) == nullptr);
  CHECK(table.find({7'000'000, 0}) == nullptr);
  CHECK(table.find({}) == nullptr);
}

TEST_CASE("blame falls on the address, in a private net on the listening endpoint") {
  Peer out(kStart, {1, 1}, kRemote, false);
  CHECK(out.blamed_as(false) == wire::Endpoint{kRemote.address, 0});
  CHECK(out.blamed_as(true) == kRemote);
  Peer in(kStart, {2, 1}, {kRemote.address, 40'000}, true);
  CHECK(in.blamed_as(true).port == 40'000);
  in.listen = kRemote;
  CHECK(in.blamed_as(true) == kRemote);
}

}  // namespace
}  // namespace lodestone::magnet
