// SPDX-License-Identifier: Apache-2.0
// Values for options that do not come from the command line. Precedence: flag, environment, file, default.
//
//   file         --config FILE, else what LODESTONE_CONFIG names; none is read that nobody named. TOML; a setting has
//   the
//                long name of its option. At the top those of every command, in [node], [dht.ping] ... those of one.
//   environment  LODESTONE_LOG_LEVEL, LODESTONE_NODE_ROLE: the same names. Several values are separated by commas, and
//                a flag is true or false. Variables that name no option are ignored.
//
// A list replaces that of the next lower layer, it is not added to it. Options that decide the same thing (kGroups)
// give way together: `-v` overrides the file's log-level, `--no-bootstrap` the file's bootstrap.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tools/cli/context.hpp"

namespace lodestone::tools {

/// After a successful parse, before the options are used: fills in what the command line has left open. The whole file
/// is checked, the sections of other commands too; a problem names file and line, or the variable.
[[nodiscard]] std::optional<Failure> configure(CLI::App& app, const Context& context);

/// What the command that was named goes by now, from wherever; "log-level", "node.role".
[[nodiscard]] Settings settings_of(const CLI::App& app);

}  // namespace lodestone::tools
