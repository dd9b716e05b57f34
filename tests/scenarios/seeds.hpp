// SPDX-License-Identifier: Apache-2.0
// Each scenario runs with one seed; tests/long scenarios runs them with many: LODESTONE_SEEDS=N means seeds 1..N.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <vector>

namespace lodestone::tests {

inline std::vector<std::uint64_t> seeds() {
  const char* text = std::getenv("LODESTONE_SEEDS");
  const unsigned long asked = text == nullptr ? 1 : std::strtoul(text, nullptr, 10);
  std::vector<std::uint64_t> all;
  for (std::uint64_t seed = 1; seed <= (asked == 0 ? 1 : asked); ++seed) all.push_back(seed);
  return all;
}

}  // namespace lodestone::tests
