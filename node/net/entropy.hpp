// SPDX-License-Identifier: Apache-2.0
// Where randomness enters the program: seeds for wire::Rng from the system's generator.
#pragma once

#include "wire/base/rng.hpp"

namespace lodestone::node {

/// Once, before any thread is made (libsodium's rule). Ends the process when the system has no entropy to give: nothing
/// that this program does is safe without.
void init_entropy();
[[nodiscard]] wire::Rng::Seed draw_seed();
[[nodiscard]] wire::Rng make_rng();

}  // namespace lodestone::node
