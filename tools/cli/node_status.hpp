// SPDX-License-Identifier: Apache-2.0
// `node status`: what the running node of a state directory says about itself. Asks it through its socket; locks and
// changes nothing.
#pragma once

#include "tools/cli/context.hpp"

namespace lodestone::tools {

[[nodiscard]] ExitCode node_status(Context& context);

}  // namespace lodestone::tools
