// SPDX-License-Identifier: Apache-2.0
// The estimator against networks whose size is known.
#include "dht/size_estimate.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <vector>

#include <catch2/catch.hpp>

#include "wire/base/rng.hpp"

using namespace lodestone;
using dht::SizeEstimate;

namespace {

constexpr std::size_t kK = 8;

std::vector<wire::NodeId> network(std::size_t nodes, wire::Rng& rng) {
  std::vector<wire::NodeId> ids;
  std::generate_n(std::back_inserter(ids), nodes, [&] { return rng.id<wire::NodeId>(); });
  return ids;
}

std::vector<wire::NodeId> closest(std::vector<wire::NodeId> ids, const wire::Key& target, std::size_t n) {
  n = std::min(n, ids.size());
  std::partial_sort(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(n), ids.end(),
                    [&](const wire::NodeId& a, const wire::NodeId& b) { return wire::closer(target, a, b); });
  ids.resize(n);
  return ids;
}

SizeEstimate estimate(const std::vector<wire::NodeId>& ids, int lookups, wire::Rng& rng) {
  SizeEstimate e(kK);
  for (int i = 0; i < lookups; ++i) {
    const auto target = rng.id<wire::Key>();
    e.add(target, closest(ids, target, kK));
  }
  return e;
}

}  // namespace

TEST_CASE("the size of a network is inside the interval for nearly all seeds, and not off by much for any") {
  struct Case {
    std::size_t nodes;
    int lookups;
  };
  const auto [nodes, lookups] = GENERATE(Case{20, 16}, Case{100, 64}, Case{300, 16}, Case{3'000, 16}, Case{3'000, 4});
  CAPTURE(nodes, lookups);
  const auto n = static_cast<double>(nodes);
  constexpr int kSeeds = 100;
  int inside = 0;
  double bias = 0, width = 0;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    auto rng = wire::Rng::from_number(seed);
    const auto result = estimate(network(nodes, rng), lookups, rng).result();
    REQUIRE(result);
    CHECK(result->lookups == static_cast<std::uint32_t>(lookups));
    CHECK(result->low <= result->nodes);
    CHECK(result->nodes <= result->high);
    inside += result->low <= n && n <= result->high;
    bias += (result->nodes - n) / n / kSeeds;
    width += (result->high - result->low) / n / kSeeds;
    // Five standard deviations.
    CHECK(std::abs(result->nodes - n) < 5 * n / std::sqrt(static_cast<double>(kK) * lookups));
  }
  CHECK(inside >= 88);
  CHECK(std::abs(bias) < 0.08);
  // An interval that is true because it says nothing would be easy.
  CHECK(width < 6 / std::sqrt(static_cast<double>(kK) * lookups));
}

TEST_CASE("more lookups make the interval narrower") {
  auto rng = wire::Rng::from_number(1);
  const auto ids = network(2'000, rng);
  const auto few = estimate(ids, 4, rng).result(), many = estimate(ids, 64, rng).result();
  CHECK(many->high - many->low < (few->high - few->low) / 2);
}

TEST_CASE("a network of fewer than k is counted") {
  auto rng = wire::Rng::from_number(1);
  CHECK_FALSE(SizeEstimate(kK).result());
  SizeEstimate nobody(kK);
  nobody.add(rng.id<wire::Key>(), {});
  CHECK_FALSE(nobody.result());
  const auto five = estimate(network(5, rng), 4, rng).result();
  REQUIRE(five);
  CHECK(five->nodes == 5);
  CHECK(five->low == 5);
  CHECK(five->high == 5);
  CHECK(five->lookups == 4);
}

TEST_CASE("there are never fewer nodes than were seen") {
  auto rng = wire::Rng::from_number(1);
  SizeEstimate e(kK);
  for (int i = 0; i < 4; ++i) {
    // The farthest there are: nearly no density at all.
    const auto target = rng.id<wire::Key>();
    auto ids = network(kK, rng);
    for (auto& id : ids) id.bytes()[0] = target.bytes()[0] ^ 0xff;
    e.add(target, ids);
  }
  const auto result = e.result();
  CHECK(result->nodes == 4 * kK);
  CHECK(result->low == 4 * kK);
  CHECK(result->high >= result->nodes);
}

TEST_CASE("a lookup that was led astray, or lost its way, moves the estimate by no more than its share") {
  auto rng = wire::Rng::from_number(1);
  const auto ids = network(1'000, rng);
  const SizeEstimate honest = estimate(ids, 15, rng);
  const double before = honest.result()->nodes;
  SizeEstimate lied_to = honest;
  const auto target = rng.id<wire::Key>();
  lied_to.add(target, std::vector<wire::NodeId>(kK, wire::NodeId{target.bytes()}));
  CHECK(lied_to.result()->lookups == 16);
  CHECK(lied_to.result()->nodes < before * 1.08);
  // And it shows: the lookups differ by more than chance.
  CHECK(lied_to.result()->high - lied_to.result()->low > honest.result()->high - honest.result()->low);
  SizeEstimate lost = honest;
  lost.add(rng.id<wire::Key>(), closest(ids, rng.id<wire::Key>(), kK - 1));
  CHECK(lost.result()->nodes == before);
}

TEST_CASE("whatever the ids, the estimate is a finite number") {
  SizeEstimate e(kK);
  for (int i = 0; i < 3; ++i) e.add(wire::Key{}, std::vector<wire::NodeId>(kK));
  const auto result = e.result();
  REQUIRE(result);
  CHECK(std::isfinite(result->low));
  CHECK(std::isfinite(result->nodes));
  CHECK(std::isfinite(result->high));
  SizeEstimate one(1);
  one.add(wire::Key{}, std::vector<wire::NodeId>(1));
  CHECK(one.result()->nodes == 1);
}
