// SPDX-License-Identifier: Apache-2.0
#include "node/net/entropy.hpp"

#include <cstdio>
#include <cstdlib>

#include <sodium/core.h>
#include <sodium/randombytes.h>

namespace lodestone::node {

void init_entropy() {
  if (sodium_init() >= 0) return;
  std::fputs("error: entropy: the system's random generator cannot be used\n", stderr);
  std::abort();
}

wire::Rng::Seed draw_seed() {
  init_entropy();  // costs nothing after the first time
  wire::Rng::Seed seed;
  randombytes_buf(seed.data(), seed.size());
  return seed;
}

wire::Rng make_rng() { return wire::Rng{draw_seed()}; }

}  // namespace lodestone::node
