// SPDX-License-Identifier: Apache-2.0
#include "magnet/swarm/pex.hpp"

#include <catch2/catch.hpp>

namespace lodestone::magnet {
namespace {

using namespace std::chrono_literals;
constexpr wire::Instant kStart{1h};

std::vector<wire::PexPeer> peers(std::uint32_t from, std::uint32_t to) {
  std::vector<wire::PexPeer> out;
  for (std::uint32_t i = from; i < to; ++i) out.push_back({{wire::Address::v4(0x05000000u + i), 6881}, 0});
  return out;
}

TEST_CASE("W10 the first message comes at once, the next after a minute, with the news only") {
  PexState pex;
  const auto receiver = peers(3, 4)[0].endpoint;
  const auto first = pex.next(kStart, peers(0, 10), receiver);
  REQUIRE(first);
  CHECK(first->added.size() == 9);  // not the receiver itself
  CHECK(first->dropped.empty());
  CHECK_FALSE(pex.due(kStart + 59s));
  CHECK_FALSE(pex.next(kStart + 59s, peers(0, 20), receiver).has_value());
  const auto second = pex.next(kStart + 60s, peers(5, 15), receiver);
  REQUIRE(second);
  CHECK(second->added.size() == 5);
  CHECK(second->dropped.size() == 4);  // 0, 1, 2 and 4
  CHECK_FALSE(pex.next(kStart + 120s, peers(5, 15), receiver).has_value());
  CHECK(pex.next(kStart + 121s, peers(5, 16), receiver).has_value());
}

TEST_CASE("W10 at most 50 peers a minute; nobody is forgotten") {
  PexState pex;
  std::size_t added = 0;
  for (int minute = 0; minute < 4; ++minute) {
    const auto m = pex.next(kStart + minute * 60s, peers(0, 180), {});
    REQUIRE(m);
    CHECK(m->added.size() <= PexState::kPerMinute);
    added += m->added.size();
  }
  CHECK(added == 180);
  std::size_t dropped = 0;
  for (int minute = 4; minute < 8; ++minute) {
    const auto m = pex.next(kStart + minute * 60s, {}, {});
    REQUIRE(m);
    CHECK(m->dropped.size() <= PexState::kPerMinute);
    CHECK(m->added.empty());
    dropped += m->dropped.size();
  }
  CHECK(dropped == 180);
}

TEST_CASE("W10 a peer that names thousands is believed 100 at first, then 50 a minute") {
  PexState pex;
  CHECK(pex.admit(kStart, 30) == 30);
  CHECK(pex.admit(kStart, 2'000) == 70);
  CHECK(pex.admit(kStart, 2'000) == 0);
  CHECK(pex.admit(kStart + 1min, 2'000) == 50);
  CHECK(pex.admit(kStart + 1h, 2'000) == 100);
}

}  // namespace
}  // namespace lodestone::magnet
