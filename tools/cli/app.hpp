// SPDX-License-Identifier: Apache-2.0
// The frame of the command line: parses, runs the named command, maps every way to end onto the table of exit codes.
// Nothing here is global state: tests call run() in-process with string streams.
#pragma once

#include <iosfwd>
#include <span>

#include "tools/cli/environment.hpp"

namespace lodestone::tools {

/// args without the program's name. Never throws. Returns the exit code.
[[nodiscard]] int run(std::span<const char* const> args, std::ostream& out, std::ostream& err, std::istream& in,
                      const Environment& environment);

}  // namespace lodestone::tools
