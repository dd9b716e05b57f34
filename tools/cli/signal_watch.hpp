// SPDX-License-Identifier: Apache-2.0
// INT and TERM for a command without an event loop: while one lives, the first signal is noted and the second ends the
// process at once, as it would have without. At most one at a time.
#pragma once

#include <signal.h>

#include <optional>

#include "tools/cli/exit_code.hpp"

namespace lodestone::tools {

class SignalWatch {
 public:
  SignalWatch();
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

  /// interrupted or terminated, once a signal has come.
  [[nodiscard]] std::optional<ExitCode> caught() const;

 private:
  struct sigaction old_int_{};
  struct sigaction old_term_{};
};

}  // namespace lodestone::tools
