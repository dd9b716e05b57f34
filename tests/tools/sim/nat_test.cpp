// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/nat.hpp"

#include <array>

#include <catch2/catch.hpp>

using namespace lodestone::tools::sim;
using namespace std::chrono_literals;
using lodestone::wire::Address;
using lodestone::wire::Endpoint;
using lodestone::wire::Instant;

namespace {

constexpr Instant kNow{1h};
const Endpoint kFriend{Address::v4(9, 9, 9, 9), 900}, kOtherPort{Address::v4(9, 9, 9, 9), 901},
    kStranger{Address::v4(8, 8, 8, 8), 800};

}  // namespace

TEST_CASE("sim: an open host hears everybody") {
  Nat nat(NatKind::open);
  CHECK(nat.enter(kNow, 5, kStranger) == 5);
  CHECK(nat.leave(kNow, 5, kFriend) == 5);
  CHECK(nat.accepts_connections());
}

TEST_CASE("sim: a full cone lets everybody in once it is open, until it closes") {
  Nat nat(NatKind::full_cone);
  CHECK_FALSE(nat.enter(kNow, 5, kStranger));
  CHECK(nat.leave(kNow, 5, kFriend) == 5);
  CHECK(nat.enter(kNow + 59s, 5, kStranger) == 5);
  CHECK_FALSE(nat.enter(kNow + 60s, 5, kStranger));
  CHECK_FALSE(nat.accepts_connections());
}

TEST_CASE("sim: a port-restricted NAT lets in whom the host has sent to, until it closes") {
  Nat nat(NatKind::port_restricted);
  CHECK(nat.leave(kNow, 5, kFriend) == 5);
  CHECK(nat.enter(kNow + 1s, 5, kFriend) == 5);
  CHECK_FALSE(nat.enter(kNow + 1s, 5, kOtherPort));
  CHECK_FALSE(nat.enter(kNow + 1s, 5, kStranger));
  CHECK(nat.leave(kNow + 50s, 5, kFriend) == 5);  // renews
  CHECK(nat.enter(kNow + 100s, 5, kFriend) == 5);
  CHECK_FALSE(nat.enter(kNow + 110s, 5, kFriend));
  nat.leave(kNow + 120s, 5, kFriend);
  nat.forget();
  CHECK_FALSE(nat.enter(kNow + 121s, 5, kFriend));
}

TEST_CASE("sim: an unreachable host shows each destination another port, and what one learns is of no use to another") {
  Nat nat(NatKind::unreachable);
  const auto for_friend = nat.leave(kNow, 5, kFriend);
  const auto for_stranger = nat.leave(kNow, 5, kStranger);
  CHECK(for_friend != for_stranger);
  CHECK(nat.leave(kNow + 1s, 5, kFriend) == for_friend);
  CHECK(nat.enter(kNow + 2s, for_friend, kFriend) == 5);
  CHECK_FALSE(nat.enter(kNow + 2s, for_friend, kStranger));
  CHECK_FALSE(nat.enter(kNow + 2s, 5, kFriend));
  CHECK(nat.leave(kNow + 2min, 5, kFriend) != for_friend);  // it had closed
}

TEST_CASE("sim: many destinations do not fill a NAT's table for ever") {
  Nat nat(NatKind::port_restricted);
  for (std::uint32_t i = 0; i < 10'000; ++i)
    nat.leave(kNow + std::chrono::seconds(i), 5, {Address::v4(0x09000000u + i), 1'000});
  const Endpoint recent{Address::v4(0x09000000u + 9'999), 1'000};
  CHECK(nat.enter(kNow + 9'999s, 5, recent) == 5);
}

TEST_CASE("sim: the mix of NATs is what was asked for") {
  auto rng = lodestone::wire::Rng::from_number(1);
  std::array<int, 4> seen{};
  for (int i = 0; i < 10'000; ++i) ++seen[static_cast<std::size_t>(NatMix::public_dht().draw(rng))];
  CHECK(std::abs(seen[static_cast<std::size_t>(NatKind::open)] - 4'000) < 200);
  CHECK(std::abs(seen[static_cast<std::size_t>(NatKind::full_cone)] - 500) < 100);
  CHECK(std::abs(seen[static_cast<std::size_t>(NatKind::port_restricted)] - 4'000) < 200);
  CHECK(std::abs(seen[static_cast<std::size_t>(NatKind::unreachable)] - 1'500) < 200);
}
