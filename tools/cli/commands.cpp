// SPDX-License-Identifier: Apache-2.0
#include "tools/cli/commands.hpp"

namespace lodestone::tools {

// Each in the source file of its name.

void add_commands([[maybe_unused]] CLI::App& app, [[maybe_unused]] Context& context) {}

}  // namespace lodestone::tools
