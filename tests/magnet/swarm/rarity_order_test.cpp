// SPDX-License-Identifier: Apache-2.0
#include "magnet/swarm/rarity_order.hpp"

#include <map>
#include <numeric>

#include <catch2/catch.hpp>

namespace lodestone::magnet {
namespace {

/// The order against a plain map of availabilities.
void check(const RarityOrder& order, const std::map<std::uint32_t, std::uint32_t>& truth) {
  REQUIRE(order.size() == truth.size());
  std::size_t seen = 0;
  for (std::uint32_t a = 0; a < order.buckets(); ++a) {
    REQUIRE(order.bucket_begin(a) <= order.bucket_end(a));
    for (std::uint32_t i = order.bucket_begin(a); i < order.bucket_end(a); ++i) {
      const auto it = truth.find(order.at(i));
      if (it == truth.end() || it->second != a || !order.contains(order.at(i))) FAIL("piece " << order.at(i));
      ++seen;
    }
  }
  REQUIRE(seen == truth.size());
}

TEST_CASE("the order agrees with a sorted list under random changes") {
  wire::Rng rng = wire::Rng::from_number(GENERATE(1u, 2u, 3u));
  constexpr std::uint32_t kPieces = 50;
  RarityOrder order(kPieces);
  std::map<std::uint32_t, std::uint32_t> truth;
  std::vector<std::uint32_t> first(kPieces / 2);
  std::iota(first.begin(), first.end(), 0u);
  order.fill(first, rng);
  for (const std::uint32_t p : first) truth[p] = 0;
  for (int step = 0; step < 5'000; ++step) {
    const auto p = static_cast<std::uint32_t>(rng.below(kPieces));
    const auto it = truth.find(p);
    switch (rng.below(4)) {
      case 0:
        if (it == truth.end()) {
          const auto a = static_cast<std::uint32_t>(rng.below(9));
          order.insert(p, a);
          truth[p] = a;
        }
        break;
      case 1:
        if (it != truth.end() && rng.chance(0.3)) {
          order.erase(p, it->second);
          truth.erase(it);
        }
        break;
      case 2:
        if (it != truth.end() && it->second < 20) order.raise(p, it->second++);
        break;
      default:
        if (it != truth.end() && it->second > 0) order.lower(p, it->second--);
        break;
    }
    check(order, truth);
  }
}

}  // namespace
}  // namespace lodestone::magnet
