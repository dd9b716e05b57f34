// SPDX-License-Identifier: Apache-2.0
#include "wire/base/rng.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <set>
#include <vector>

#include <catch2/catch.hpp>

using namespace lodestone::wire;

static_assert(std::uniform_random_bit_generator<Rng>);

TEST_CASE("the stream is ChaCha20 with the block counter as the nonce") {
  Rng rng{Rng::Seed{}};
  ByteVector out(264);
  rng.fill(out);
  // The well-known key stream of an all-zero key and nonce ...
  CHECK(to_hex(Bytes{out}.first(32)) == "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7");
  // ... and behind 256 bytes that of nonce 00 00 00 00 00 00 00 01.
  CHECK(to_hex(Bytes{out}.last(8)) == "de9cba7bf3d69ef5");
}

TEST_CASE("a seed decides everything, however the bytes are asked for") {
  Rng a = Rng::from_number(1);
  Rng b = Rng::from_number(1);
  ByteVector whole(1000);
  a.fill(whole);
  ByteVector pieces;
  for (std::size_t n = 0; pieces.size() < whole.size(); n = (n + 37) % 300) {
    ByteVector part(std::min(n, whole.size() - pieces.size()));
    b.fill(part);
    pieces.insert(pieces.end(), part.begin(), part.end());
  }
  CHECK(pieces == whole);
  CHECK(a.next() == b.next());

  std::set<std::uint64_t> firsts;
  for (std::uint64_t n = 0; n < 1000; ++n) firsts.insert(Rng::from_number(n).next());
  CHECK(firsts.size() == 1000);
}

TEST_CASE("a fork goes its own way and is decided by its parent") {
  Rng a = Rng::from_number(2);
  Rng b = Rng::from_number(2);
  Rng fork_a = a.fork();
  Rng fork_b = b.fork();
  CHECK(fork_a.next() == fork_b.next());
  CHECK(a.next() == b.next());
  Rng second = a.fork();
  CHECK(second.next() != fork_b.next());
}

TEST_CASE("below stays below and is even") {
  Rng rng = Rng::from_number(3);
  CHECK(rng.below(1) == 0);
  std::array<int, 6> counts{};
  for (int i = 0; i < 60'000; ++i) ++counts.at(rng.below(6));
  // Six standard deviations of a binomial with n = 60,000, p = 1/6 are about 550.
  for (const int c : counts) CHECK(std::abs(c - 10'000) < 550);
  // A bound at which plain `% bound` would give the lower half twice as often.
  const std::uint64_t bound = (std::uint64_t{1} << 63) + (std::uint64_t{1} << 62);
  int low = 0;
  for (int i = 0; i < 10'000; ++i) {
    const std::uint64_t v = rng.below(bound);
    REQUIRE(v < bound);
    if (v < bound / 2) ++low;
  }
  CHECK(std::abs(low - 5'000) < 300);
  CHECK(rng.below(~std::uint64_t{0}) < ~std::uint64_t{0});
}

TEST_CASE("unit fills [0, 1) and chance follows it") {
  Rng rng = Rng::from_number(4);
  double sum = 0;
  for (int i = 0; i < 10'000; ++i) {
    const double u = rng.unit();
    REQUIRE((u >= 0 && u < 1));
    sum += u;
  }
  CHECK(sum / 10'000 == Approx(0.5).margin(0.02));
  CHECK_FALSE(rng.chance(0));
  CHECK(rng.chance(1));
}

TEST_CASE("shuffle permutes, and every place is reached") {
  Rng rng = Rng::from_number(5);
  std::vector<int> v(10);
  std::set<int> fronts;
  for (int i = 0; i < 300; ++i) {
    std::iota(v.begin(), v.end(), 0);
    rng.shuffle(v);
    fronts.insert(v.front());
    REQUIRE(std::is_permutation(v.begin(), v.end(), std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}.begin()));
  }
  CHECK(fronts.size() == 10);
  std::vector<int> none;
  rng.shuffle(none);
  CHECK(none.empty());
}
