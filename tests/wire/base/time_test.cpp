// SPDX-License-Identifier: Apache-2.0
#include "wire/base/time.hpp"

#include <catch2/catch.hpp>

using namespace lodestone::wire;
using namespace std::chrono_literals;

template <class C>
concept HasNow = requires { C::now(); };
static_assert(HasNow<std::chrono::steady_clock>);
static_assert(!HasNow<Clock>, "the protocol rooms must not be able to ask for the time");

TEST_CASE("seconds go both ways") {
  CHECK(to_seconds(1500ms) == 1.5);
  CHECK(from_seconds(0.25) == 250ms);
  CHECK(from_seconds(-2) == -2s);
  CHECK(from_seconds(to_seconds(15min)) == 15min);
}

TEST_CASE("never comes after every other instant") {
  const Instant start{};
  CHECK(kNever > start + 24h * 365 * 200);
}
