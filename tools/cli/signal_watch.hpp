// SPDX-License-Identifier: Apache-2.0
// INT and TERM for a command without an event loop: while one lives, the first signal is noted and the second ends the
// process at once. At most one at a time, and none beside a RunGuard.
#pragma once

#include <optional>

#include "node/net/signal_trap.hpp"
#include "tools/cli/exit_code.hpp"

namespace lodestone::tools {

class SignalWatch {
 public:
  /// interrupted or terminated, once a signal has come.
  [[nodiscard]] std::optional<ExitCode> caught() const;

 private:
  node::SignalTrap trap_;
};

}  // namespace lodestone::tools
