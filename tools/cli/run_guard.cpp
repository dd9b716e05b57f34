// SPDX-License-Identifier: Apache-2.0
#include "tools/cli/run_guard.hpp"

#include <csignal>
#include <cstdlib>
#include <ostream>
#include <utility>

namespace lodestone::tools {

RunGuard::RunGuard(node::Runtime& runtime, Context& context, std::function<void(StopCause)> stop)
    : stop_(std::move(stop)) {
  runtime.on_signal([this, &context](int signal) {
    const StopCause cause = signal == SIGINT ? StopCause::interrupt : StopCause::terminate;
    if (cause_) {  // --timeout has asked for the same before, and somebody is tired of waiting
      context.out.end_status();
      context.out.out().flush();
      std::_Exit(static_cast<int>(exit_code_of(cause)));
    }
    fire(cause);
  });
  if (!context.global.timeout) return;
  runtime.every(*context.global.timeout, [this] {
    fire(StopCause::timeout);
    return false;
  });
}

void RunGuard::fire(StopCause cause) {
  if (cause_) return;
  cause_ = cause;
  stop_(cause);
}

ExitCode exit_code_of(StopCause cause) {
  switch (cause) {
    case StopCause::interrupt: return ExitCode::interrupted;
    case StopCause::terminate: return ExitCode::terminated;
    case StopCause::timeout: return ExitCode::timeout;
  }
  return ExitCode::error;
}

ExitCode end_of_service(std::optional<StopCause> cause, Context& context, const char* command) {
  if (cause != StopCause::timeout) return ExitCode::ok;
  return context.fail(ExitCode::timeout, command, "the time of --timeout is over");
}

}  // namespace lodestone::tools
