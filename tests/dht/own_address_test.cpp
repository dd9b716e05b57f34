// SPDX-License-Identifier: Apache-2.0
#include "dht/own_address.hpp"

#include <catch2/catch.hpp>

using namespace lodestone;

namespace {

wire::Endpoint at(std::uint8_t n, std::uint16_t port = 6881) { return {wire::Address::v4(1, 2, 3, n), port}; }

}  // namespace

TEST_CASE("L4 our own address is what most of the last voters say it is") {
  dht::OwnAddress own;
  CHECK_FALSE(own.is_ours(at(99)));
  own.vote(at(1), at(99));
  CHECK(own.is_ours(at(99)));
  CHECK(own.is_ours(at(99).address));
  CHECK_FALSE(own.is_ours(at(99, 1)));
  own.vote(at(2), at(98));
  CHECK_FALSE(own.is_ours(at(99)));  // one against one
  own.vote(at(3), at(99));
  CHECK(own.is_ours(at(99)));
}

TEST_CASE("our endpoint from outside is what most see, if most see the same port") {
  dht::OwnAddress own;
  CHECK_FALSE(own.endpoint());
  own.vote(at(1), at(99, 7000));
  CHECK(own.endpoint() == at(99, 7000));
  own.vote(at(2), at(99, 7001));
  CHECK_FALSE(own.endpoint());
  CHECK(own.is_ours(at(99).address));
  own.vote(at(3), at(99, 7001));
  CHECK(own.endpoint() == at(99, 7001));
}

TEST_CASE("L4 a host with many ports has one vote") {
  dht::OwnAddress own;
  own.vote(at(1), at(99));
  own.vote(at(2), at(99));
  for (std::uint16_t port = 1'000; port < 1'020; ++port) own.vote(at(3, port), at(50));
  CHECK(own.is_ours(at(99)));
  CHECK_FALSE(own.is_ours(at(50)));
}

TEST_CASE("L4 nobody votes twice, and old votes are forgotten") {
  dht::OwnAddress own;
  own.vote(at(1), at(99));
  own.vote(at(2), at(99));
  for (int i = 0; i < 20; ++i) own.vote(at(3), at(50));
  CHECK(own.is_ours(at(99)));
  CHECK_FALSE(own.is_ours(at(50)));
  for (std::uint8_t i = 10; i < 18; ++i) own.vote(at(i), at(77));
  CHECK(own.is_ours(at(77)));
  CHECK_FALSE(own.is_ours(at(99)));
}
