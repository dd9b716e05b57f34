// SPDX-License-Identifier: Apache-2.0
// Ends a running command from outside: INT, TERM, --timeout. The first signal asks the command to save and stop, the
// second ends the process at once. One per runtime, on its network thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "node/runtime.hpp"
#include "tools/cli/context.hpp"

namespace lodestone::tools {

enum class StopCause : std::uint8_t { interrupt, terminate, timeout };

class RunGuard {
 public:
  /// Installs the signal handlers; --timeout counts from now. `stop` is called once, on the network thread; it shall
  /// lead to runtime.stop() soon. This object lives until run() has returned.
  RunGuard(node::Runtime& runtime, Context& context, std::function<void(StopCause)> stop);
  RunGuard(const RunGuard&) = delete;
  RunGuard& operator=(const RunGuard&) = delete;

  /// Why it was asked to stop, if it was.
  [[nodiscard]] std::optional<StopCause> cause() const { return cause_; }

 private:
  void fire(StopCause cause);

  std::function<void(StopCause)> stop_;
  std::optional<StopCause> cause_;
};

/// 130, 143, 4: how a one-shot command ends that was stopped before its work was done.
[[nodiscard]] ExitCode exit_code_of(StopCause cause);

/// The end of a command that runs until stopped: clean after a signal; --timeout is a failure like everywhere.
[[nodiscard]] ExitCode end_of_service(std::optional<StopCause> cause, Context& context, const char* command);

}  // namespace lodestone::tools
