// SPDX-License-Identifier: Apache-2.0
#include "dht/client_version.hpp"

#include <catch2/catch.hpp>

using namespace lodestone;
using namespace std::string_view_literals;

namespace {

std::string_view kept(std::string_view v) {
  static dht::ClientVersion version;
  version = dht::client_version(wire::as_bytes(v));
  return dht::said(version);
}

}  // namespace

TEST_CASE("a client's version is kept as it was said, as far as four bytes go") {
  CHECK(kept("LT\x02\x01") == "LT\x02\x01"sv);
  CHECK(kept("LT\x02\x00"sv) == "LT\x02\x00"sv);
  CHECK(kept("LD") == "LD");
  CHECK(kept("UT\xa9\x53 and more") == "UT\xa9\x53"sv);
  CHECK(kept("").empty());
  CHECK(kept("\0\0\0\0"sv).empty());
  CHECK_FALSE(dht::is_known(dht::client_version({})));
  CHECK(dht::is_known(dht::client_version(wire::as_bytes("x"))));
}
