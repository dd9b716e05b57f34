// SPDX-License-Identifier: Apache-2.0
#include "dht/address_votes.hpp"

#include <catch2/catch.hpp>

using namespace lodestone;
using namespace std::chrono_literals;
using dht::AddressVotes;
using wire::Address;

namespace {

constexpr wire::Instant kStart{1h};
const Address kUs = Address::v4(81, 2, 3, 4);
const Address kOther = Address::v4(91, 2, 3, 4);

/// A node in the /16 of that number.
Address in_prefix(int n, int host = 1) {
  return Address::v4(static_cast<std::uint8_t>(20 + n / 200), static_cast<std::uint8_t>(n % 200), 1,
                     static_cast<std::uint8_t>(host));
}

void vote(AddressVotes& votes, wire::Instant now, int from, int to, const Address& us) {
  for (int i = from; i < to; ++i) votes.vote(now, in_prefix(i), us);
}

}  // namespace

TEST_CASE("T1 an address is agreed on when enough distinct /16s name it") {
  AddressVotes votes;
  vote(votes, kStart, 0, 5, kUs);
  CHECK_FALSE(votes.agreed());
  vote(votes, kStart, 5, 6, kUs);
  CHECK(votes.agreed() == kUs);
}

TEST_CASE("T1 a thousand voters of five /16s are five voters") {
  AddressVotes votes;
  for (int host = 1; host < 200; ++host)
    for (int prefix = 0; prefix < 5; ++prefix) votes.vote(kStart, in_prefix(prefix, host), kUs);
  CHECK_FALSE(votes.agreed());
}

TEST_CASE("T1 of a divided vote nothing follows") {
  AddressVotes votes;
  for (int i = 0; i < 40; ++i) votes.vote(kStart, in_prefix(i), i % 5 < 2 ? kOther : kUs);
  // Three to two: at no time was it two to one.
  CHECK_FALSE(votes.agreed());
}

TEST_CASE("T1 only global addresses of the voter's family can be ours") {
  AddressVotes votes;
  for (const char* nonsense : {"192.168.1.2", "127.0.0.1", "100.64.1.2", "0.0.0.0", "224.0.0.1", "2a01::1"}) {
    vote(votes, kStart, 0, 40, *Address::parse(nonsense));
    CHECK_FALSE(votes.agreed());
  }
}

TEST_CASE("T1 another address needs more voters, three quarters of them, and five minutes") {
  AddressVotes votes;
  vote(votes, kStart, 0, 20, kUs);
  REQUIRE(votes.agreed() == kUs);

  SECTION("a real change") {
    wire::Instant now = kStart + 1h;
    vote(votes, now, 0, 15, kOther);
    CHECK(votes.agreed() == kUs);
    now += 4min;
    vote(votes, now, 0, 15, kOther);
    CHECK(votes.agreed() == kUs);
    now += 1min;
    vote(votes, now, 3, 4, kOther);
    CHECK(votes.agreed() == kOther);
  }
  SECTION("too few") {
    for (int minute = 0; minute < 60; ++minute) vote(votes, kStart + 1h + minute * 1min, 0, 9, kOther);
    CHECK(votes.agreed() == kUs);
  }
  SECTION("no clear majority") {
    for (int minute = 0; minute < 60; ++minute) {
      const wire::Instant now = kStart + 1h + minute * 1min;
      vote(votes, now, 20, 36, kUs);
      vote(votes, now, 0, 18, kOther);
    }
    CHECK(votes.agreed() == kUs);
  }
  SECTION("a rumour that passes") {
    for (int minute = 0; minute < 60; ++minute) {
      const wire::Instant now = kStart + 1h + minute * 1min;
      vote(votes, now, 0, 15, minute % 4 == 3 ? kUs : kOther);
    }
    CHECK(votes.agreed() == kUs);
  }
}

TEST_CASE("T1 old votes do not count, and there is room for new ones") {
  AddressVotes votes;
  for (int i = 0; i < 5; ++i) votes.vote(kStart, in_prefix(i), kUs);
  votes.vote(kStart + 31min, in_prefix(6), kUs);
  CHECK_FALSE(votes.agreed());  // six prefixes, but not within half an hour
  for (int i = 0; i < 1'000; ++i) votes.vote(kStart + 32min, in_prefix(i), kOther);
  CHECK(votes.agreed() == kOther);
}

TEST_CASE("T1 a v6 voter is its /32") {
  AddressVotes votes;
  const auto from = [](std::uint8_t a, std::uint8_t b) {
    return Address::v6({0x2a, 0x01, 0x01, a, b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});
  };
  const Address us = *Address::parse("2a02:1::5");
  for (std::uint8_t b = 0; b < 100; ++b) votes.vote(kStart, from(1, b), us);
  CHECK_FALSE(votes.agreed());
  for (std::uint8_t a = 2; a < 7; ++a) votes.vote(kStart, from(a, 0), us);
  CHECK(votes.agreed() == us);
}
