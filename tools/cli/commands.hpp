// SPDX-License-Identifier: Apache-2.0
// The registry: which commands there are. A new command is a declaration and a line in commands.cpp.
#pragma once

namespace CLI {
class App;
}

namespace lodestone::tools {

class Context;

void add_global_options(CLI::App& app, Context& context);
/// After add_commands(). CLI11 takes "-4" for a number unless the very command that reads it has such a flag: it is the
/// one thing that does not fall through to the global options.
void lend_digit_flags(CLI::App& app, Context& context);
void add_commands(CLI::App& app, Context& context);

}  // namespace lodestone::tools
