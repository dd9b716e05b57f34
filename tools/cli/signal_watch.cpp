// SPDX-License-Identifier: Apache-2.0
#include "tools/cli/signal_watch.hpp"

namespace lodestone::tools {
namespace {

volatile sig_atomic_t caught_signal = 0;

extern "C" void note_signal(int number) { caught_signal = number; }

}  // namespace

SignalWatch::SignalWatch() {
  caught_signal = 0;
  struct sigaction action{};
  action.sa_handler = note_signal;
  // One shot: the second signal finds the default action again.
  action.sa_flags = static_cast<int>(SA_RESETHAND | SA_RESTART);
  sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, &old_int_);
  ::sigaction(SIGTERM, &action, &old_term_);
}

SignalWatch::~SignalWatch() {
  ::sigaction(SIGINT, &old_int_, nullptr);
  ::sigaction(SIGTERM, &old_term_, nullptr);
}

std::optional<ExitCode> SignalWatch::caught() const {
  if (caught_signal == SIGINT) return ExitCode::interrupted;
  if (caught_signal == SIGTERM) return ExitCode::terminated;
  return std::nullopt;
}

}  // namespace lodestone::tools
