// SPDX-License-Identifier: Apache-2.0
// What a DHT node has counted (dht/counters), in words: for the log, and for `node` and `dht table`. Pure.
#pragma once

#include <string>
#include <vector>

#include "dht/counters.hpp"

namespace lodestone::node {

/// "dropped: 12 throttled by address, 3 malformed; beside: 1 outages": only what may say that something is wrong.
/// Empty: nothing.
[[nodiscard]] std::string troubles(const dht::Counters& counters);
/// All that are not zero, a line each with their meaning, under a line for each group.
[[nodiscard]] std::vector<std::string> counter_lines(const dht::Counters& counters);

}  // namespace lodestone::node
