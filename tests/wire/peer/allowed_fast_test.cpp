// SPDX-License-Identifier: Apache-2.0
#include "wire/peer/allowed_fast.hpp"

#include <set>

#include <catch2/catch.hpp>

using namespace lodestone::wire;

namespace {

std::vector<std::uint32_t> set_of(const Address& a, std::uint32_t pieces, std::size_t count) {
  InfoHash hash;
  hash.bytes().fill(0xaa);
  std::vector<std::uint32_t> out;
  for (const PieceIndex p : allowed_fast_set(a, hash, pieces, count)) out.push_back(p.value());
  return out;
}

}  // namespace

TEST_CASE("the allowed-fast set has the values that BEP 6 gives") {
  const Address peer = Address::v4(80, 4, 4, 200);
  CHECK(set_of(peer, 1313, 7) == std::vector<std::uint32_t>{1059, 431, 808, 1217, 287, 376, 1188});
  CHECK(set_of(peer, 1313, 9) == std::vector<std::uint32_t>{1059, 431, 808, 1217, 287, 376, 1188, 353, 508});
}

TEST_CASE("the allowed-fast set belongs to the network, not to the host") {
  CHECK(set_of(Address::v4(80, 4, 4, 1), 1313, 10) == set_of(Address::v4(80, 4, 4, 255), 1313, 10));
  CHECK(set_of(Address::v4(80, 4, 4, 1), 1313, 10) != set_of(Address::v4(80, 4, 5, 1), 1313, 10));
  CHECK(set_of(*Address::parse("2a00:1::1"), 1313, 10) == set_of(*Address::parse("2a00:1::ffff:2"), 1313, 10));
  CHECK(set_of(*Address::parse("2a00:1::1"), 1313, 10) != set_of(*Address::parse("2a00:1:0:1::1"), 1313, 10));
}

TEST_CASE("the allowed-fast set of a small torrent is all of it") {
  CHECK(set_of(Address{}, 0, 10).empty());
  CHECK(set_of(Address{}, 3, 10) == std::vector<std::uint32_t>{0, 1, 2});
  const auto nine = set_of(Address{}, 10, 9);
  CHECK(std::set<std::uint32_t>(nine.begin(), nine.end()).size() == 9);
}
