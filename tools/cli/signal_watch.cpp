// SPDX-License-Identifier: Apache-2.0
#include "tools/cli/signal_watch.hpp"

#include <signal.h>

namespace lodestone::tools {

std::optional<ExitCode> SignalWatch::caught() const {
  const auto signal = trap_.caught();
  if (!signal) return std::nullopt;
  return *signal == SIGINT ? ExitCode::interrupted : ExitCode::terminated;
}

}  // namespace lodestone::tools
