// SPDX-License-Identifier: Apache-2.0
// Randomness as an argument: a ChaCha20 stream over a 32-byte seed. node/ draws the seed from the system, tests and the
// simulator choose it: unpredictable in the field, replayable in a test. Satisfies UniformRandomBitGenerator.
#pragma once

#include <array>
#include <cstdint>

#include "wire/base/bytes.hpp"

namespace lodestone::wire {

class Rng {
 public:
  using Seed = std::array<std::uint8_t, 32>;
  using result_type = std::uint64_t;

  explicit Rng(const Seed& seed);
  /// A seed for tests and simulations, spread from one number.
  [[nodiscard]] static Rng from_number(std::uint64_t number);

  /// An independent generator whose stream this one decides.
  [[nodiscard]] Rng fork();

  void fill(MutableBytes out);
  std::uint64_t next();
  /// Uniform in [0, bound); bound > 0.
  std::uint64_t below(std::uint64_t bound);
  /// Uniform in [0, 1).
  double unit();
  /// True with probability p.
  bool chance(double p) { return unit() < p; }

  template <class Id>
  Id id() {
    Id out;
    fill(out.bytes());
    return out;
  }

  /// Fisher-Yates over a random-access container.
  template <class Container>
  void shuffle(Container& c) {
    for (std::size_t i = c.size(); i > 1; --i) {
      using std::swap;
      swap(c[i - 1], c[static_cast<std::size_t>(below(i))]);
    }
  }

  static constexpr std::uint64_t min() { return 0; }
  static constexpr std::uint64_t max() { return ~std::uint64_t{0}; }
  std::uint64_t operator()() { return next(); }

 private:
  void refill();

  Seed key_;
  std::uint64_t block_ = 0;
  std::size_t used_;
  std::array<std::uint8_t, 256> pool_;
};

}  // namespace lodestone::wire
