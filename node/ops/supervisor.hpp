// SPDX-License-Identifier: Apache-2.0
// What a service says to whoever has started it and looks after it (sd_notify; systemd, or anything else that has set
// NOTIFY_SOCKET). Without such a supervisor each call does nothing. Network thread: that is the point of alive().
#pragma once

#include <optional>
#include <string_view>

#include "wire/base/time.hpp"

namespace lodestone::node::supervisor {

/// It serves: after the start, and after each reloading().
void ready();
/// One line for `systemctl status`.
void status(std::string_view line);
/// It has begun to read its configuration again; ready() must follow.
void reloading();
void stopping();

/// How often alive() is asked for (WATCHDOG_USEC); nullopt: not at all. Who stays silent for that long is restarted.
[[nodiscard]] std::optional<wire::Duration> watchdog();
void alive();

}  // namespace lodestone::node::supervisor
