// SPDX-License-Identifier: Apache-2.0
// `dht ping` of several nodes: a health probe of routers. Each is pinged, asked for nodes around a random point, and
// what it names is pinged: a router that answers but hands out the dead is of no use to newcomers.
#pragma once

#include <vector>

#include "magnet/uri.hpp"
#include "tools/cli/context.hpp"

namespace lodestone::tools {

/// One record a node and address, as they are known. 0: all answered; 10: some; 4: none.
[[nodiscard]] ExitCode probe_all(const std::vector<magnet::HostPort>& nodes, Context& context);

}  // namespace lodestone::tools
