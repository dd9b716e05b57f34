// SPDX-License-Identifier: Apache-2.0
// What `dht ...` shows to people, where that is more than a line of its records. Pure; what is strangers' in it is
// numbers and addresses only.
#pragma once

#include <string>

#include "dht/node.hpp"

namespace lodestone::tools {

/// One query of a lookup: when, how close to the target, whom, who had named it, what came of it.
[[nodiscard]] std::string hop_line(const dht::event::Hop& hop, const wire::Key& target);

}  // namespace lodestone::tools
