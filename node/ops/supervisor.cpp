// SPDX-License-Identifier: Apache-2.0
#include "node/ops/supervisor.hpp"

#include <cstdint>
#include <string>

#include <fmt/format.h>
#include <systemd/sd-daemon.h>

#include "node/net/clock.hpp"

namespace lodestone::node::supervisor {
namespace {

/// A supervisor that has gone away is no reason to stop serving: what fails is not looked at.
void tell(const std::string& message) { ::sd_notify(0, message.c_str()); }

}  // namespace

void ready() { tell("READY=1"); }

void status(std::string_view line) { tell(fmt::format("STATUS={}", line)); }

void reloading() {
  // The moment tells the supervisor which of its wishes this answers (Type=notify-reload, systemd 253).
  const auto now = std::chrono::duration_cast<std::chrono::microseconds>(clock_now().time_since_epoch());
  tell(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", now.count()));
}

void stopping() { tell("STOPPING=1"); }

std::optional<wire::Duration> watchdog() {
  std::uint64_t microseconds = 0;
  if (::sd_watchdog_enabled(0, &microseconds) <= 0) return std::nullopt;
  return std::chrono::microseconds(microseconds);
}

void alive() { tell("WATCHDOG=1"); }

}  // namespace lodestone::node::supervisor
