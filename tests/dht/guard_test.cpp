// SPDX-License-Identifier: Apache-2.0
#include "dht/guard.hpp"

#include <vector>

#include <catch2/catch.hpp>

using namespace lodestone;

namespace {

wire::Endpoint at(const char* text) { return *wire::Endpoint::parse(text); }

}  // namespace

TEST_CASE("S5 only addresses of our family and of allowed kinds are talked to") {
  wire::AddressPolicy global;
  global.allow(wire::AddressKind::global);
  const dht::Guard guard{wire::Family::v4, global};
  CHECK(guard.allows(at("8.8.8.8:6881")));
  for (const char* no :
       {"127.0.0.1:6881", "10.0.0.1:6881", "192.168.1.1:6881", "169.254.1.1:1", "100.64.0.1:6881", "198.18.0.1:6881",
        "224.0.0.1:6881", "0.0.0.0:6881", "255.255.255.255:6881", "8.8.8.8:0", "[2606:4700::1]:6881"}) {
    INFO(no);
    CHECK_FALSE(guard.allows(at(no)));
  }
  wire::AddressPolicy wider = global;
  wider.allow_from(*wire::Address::parse("127.0.0.5"));
  const dht::Guard local{wire::Family::v4, wider};
  CHECK(local.allows(at("127.0.0.1:6881")));
  CHECK_FALSE(local.allows(at("10.0.0.1:6881")));
}

TEST_CASE("S5 a private net accepts every kind but martians and port 0") {
  const dht::Guard guard{wire::Family::v4, wire::AddressPolicy::everything()};
  for (const char* yes : {"127.0.0.1:6881", "10.0.0.1:6881", "198.18.0.1:6881", "8.8.8.8:2"})
    CHECK(guard.allows(at(yes)));
  CHECK_FALSE(guard.allows(at("224.0.0.1:6881")));
  CHECK_FALSE(guard.allows(at("10.0.0.1:0")));
}

TEST_CASE("S5 none of our own addresses is talked to, nor is a peer") {
  const std::vector<wire::Endpoint> ours{at("8.8.8.8:6881"), at("9.9.9.9:6881")};
  const dht::Guard guard{wire::Family::v4, wire::AddressPolicy::everything(), ours};
  const dht::Guard copy = guard;
  for (const wire::Endpoint& e : ours) {
    CHECK_FALSE(copy.allows(e));
    CHECK_FALSE(copy.allows_peer(e));
  }
  CHECK(copy.allows(at("8.8.8.8:6882")));  // somebody else behind the same address
  CHECK(copy.allows_peer(at("9.9.9.8:6881")));
}

TEST_CASE("L4 no peer listens on port 0 or 1") {
  const dht::Guard guard{wire::Family::v4, wire::AddressPolicy::everything()};
  CHECK_FALSE(guard.allows_peer(at("8.8.8.8:0")));
  CHECK_FALSE(guard.allows_peer(at("8.8.8.8:1")));
  CHECK(guard.allows_peer(at("8.8.8.8:2")));
}
