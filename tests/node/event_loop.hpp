// SPDX-License-Identifier: Apache-2.0
// For tests with a real event loop: run it until something has happened, or fail after a while. No sleeping.
#pragma once

#include <chrono>

#include <asio/io_context.hpp>

namespace lodestone::test {

/// True when `done` became true in time. Handlers run until then and no longer.
template <class Done>
[[nodiscard]] bool run_until(asio::io_context& io, Done done,
                             std::chrono::milliseconds limit = std::chrono::seconds(10)) {
  const auto end = std::chrono::steady_clock::now() + limit;
  io.restart();
  while (!done()) {
    if (std::chrono::steady_clock::now() >= end) return false;
    if (io.run_one_until(end) == 0 && io.stopped()) io.restart();
  }
  return true;
}

}  // namespace lodestone::test
