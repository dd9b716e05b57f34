// SPDX-License-Identifier: Apache-2.0
// INT and TERM while one of these lives: the first is noted, for whoever saves and stops in good order; the second ends
// the process from inside the signal handler, with 128 + its number. That does not depend on any thread being well: the
// one that should hear of it may wait for a worker behind a disk that does not answer.
// A handler has no owner but the process: at most one object of this class at a time.
#pragma once

#include <signal.h>

#include <optional>

#include "node/net/fd.hpp"

namespace lodestone::node {

class SignalTrap {
 public:
  /// Throws std::system_error when the system has no descriptor left.
  SignalTrap();
  /// What was there before is there again.
  ~SignalTrap();
  SignalTrap(const SignalTrap&) = delete;
  SignalTrap& operator=(const SignalTrap&) = delete;

  /// The number of the first signal, once it has come.
  [[nodiscard]] std::optional<int> caught() const;
  /// Readable from the first signal on: a duplicate for an event loop to watch.
  [[nodiscard]] UniqueFd readable() const;

 private:
  UniqueFd event_;
  struct sigaction old_int_{};
  struct sigaction old_term_{};
};

}  // namespace lodestone::node
