// SPDX-License-Identifier: Apache-2.0
#include "dht/visitors.hpp"

#include <vector>

#include <catch2/catch.hpp>

#include "wire/base/rng.hpp"

using namespace lodestone;
using namespace std::chrono_literals;
using dht::Visitors;

namespace {

constexpr wire::Instant kStart{1h};

}  // namespace

TEST_CASE("visitors are known again, with the time of their last visit") {
  wire::ByteVector memory(Visitors::bytes_for(1'000));
  Visitors visitors{kStart, 1'000, memory};
  auto rng = wire::Rng::from_number(1);
  const auto name = rng.next();
  CHECK_FALSE(visitors.last(kStart, name));
  CHECK_FALSE(visitors.is_here(kStart, name));
  visitors.visit(kStart, name, false);
  CHECK(visitors.is_here(kStart, name));
  CHECK(visitors.is_here(kStart + Visitors::kGrain - 1s, name));
  CHECK_FALSE(visitors.is_here(kStart + Visitors::kGrain, name));
  CHECK(visitors.last(kStart, name)->ago == 0s);
  CHECK_FALSE(visitors.last(kStart, name)->served);
  for (const auto passed : {1min, 10min, 600min}) {
    const auto last = visitors.last(kStart + passed, name);
    REQUIRE(last);
    CHECK(last->ago >= passed - Visitors::kGrain);
    CHECK(last->ago <= passed + Visitors::kGrain);
  }
  visitors.visit(kStart + 10min, name, true);
  CHECK(visitors.last(kStart + 10min, name)->ago == 0s);
  CHECK(visitors.last(kStart + 10min, name)->served);
  // Who has been asked in vain has that remembered, through visits, until he answers.
  CHECK_FALSE(visitors.last(kStart + 10min, name)->failed);
  visitors.fail(kStart + 20min, name);
  visitors.visit(kStart + 30min, name, false);
  CHECK(visitors.last(kStart + 30min, name)->failed);
  CHECK(visitors.last(kStart + 30min, name)->ago == 0s);
  visitors.forgive(name);
  CHECK_FALSE(visitors.last(kStart + 30min, name)->failed);
  // One who was not known is not taken for a visitor.
  const auto other = rng.next();
  visitors.fail(kStart + 30min, other);
  CHECK_FALSE(visitors.is_here(kStart + 30min, other));
  CHECK(visitors.last(kStart + 30min, other)->failed);
  CHECK(visitors.last(kStart + 30min, other)->ago > 1h);
}

TEST_CASE("visitors have a place each while there is room, and the oldest gives way") {
  wire::ByteVector memory(Visitors::bytes_for(10'000));
  CHECK(memory.size() <= 40'100);
  Visitors visitors{kStart, 10'000, memory};
  auto rng = wire::Rng::from_number(2);
  std::vector<std::uint64_t> names;
  for (int i = 0; i < 100'000; ++i) {
    names.push_back(rng.next());
    visitors.visit(kStart + i * 100ms, names.back(), true);
  }
  const wire::Instant now = kStart + 100'000 * 100ms;
  std::size_t known_of_late = 0, mistaken = 0;
  for (std::size_t i = names.size() - 5'000; i < names.size(); ++i)
    known_of_late += visitors.last(now, names[i]).has_value();
  CHECK(known_of_late >= 4'750);
  for (int i = 0; i < 100'000; ++i) mistaken += visitors.last(now, rng.next()).has_value();
  CHECK(mistaken <= 40);
}
