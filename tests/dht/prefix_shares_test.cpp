// SPDX-License-Identifier: Apache-2.0
#include "dht/prefix_shares.hpp"

#include <catch2/catch.hpp>

#include "dht/contact.hpp"

using namespace lodestone;
using dht::CompactEndpoint;
using dht::PrefixShares;
using wire::Address;

TEST_CASE("S4 of a crowd an eighth is of one /8 and a 64th of one /16") {
  PrefixShares shares{wire::Family::v4, wire::SipKey{1}};
  const auto at = [](std::uint32_t n) { return CompactEndpoint({Address::v4(n), 1}); };
  // A small crowd may be anybody's.
  for (std::uint32_t i = 0; i < PrefixShares::kNarrowFloor; ++i) {
    CHECK(shares.has_room(at(11u << 24 | i).data(), i));
    shares.add(at(11u << 24 | i).data());
  }
  CHECK_FALSE(shares.has_room(at(11u << 24 | 1'000).data(), 64));
  CHECK(shares.has_room(at(11u << 24 | 1'000).data(), 64 * 65));
  // Another /16 of the same /8, until that has its share.
  std::size_t size = 10'000, taken = 64;
  for (std::uint32_t i = 0; i < 5'000; ++i) {
    const auto compact = at(11u << 24 | (i % 250 + 1) << 16 | i);
    if (!shares.has_room(compact.data(), size)) continue;
    shares.add(compact.data());
    ++taken;
    ++size;
  }
  CHECK(taken >= 1'250);
  CHECK(taken <= size / 8 + 1);
  CHECK(shares.has_room(at(12u << 24).data(), size));
  // Who leaves makes room.
  shares.remove(at(11u << 24 | 1u << 16 | 250).data());
  CHECK(shares.has_room(at(11u << 24 | 1u << 16 | 250).data(), size));
}
