// SPDX-License-Identifier: Apache-2.0
// How the program ends: the table of cli.md. Scripts depend on both the numbers and the names.
#pragma once

#include <cstdint>
#include <string_view>

namespace lodestone::tools {

enum class ExitCode : std::uint8_t {
  ok = 0,
  error = 1,          // any other failure, `unsupported` too
  usage = 2,          // bad option or argument; a file named there that does not exist
  not_found = 3,      // complete lookup, nothing there
  timeout = 4,        // what was found so far was printed
  network = 5,        // explicit port taken, no interface, no DHT node ever answered
  integrity = 6,      // hash or signature mismatch
  storage = 7,        // disk full, permission, unsafe path refused
  daemon = 8,         // API unreachable or refused
  conflict = 9,       // rules D3, D6; CAS refused
  partial = 10,       // some of several inputs failed
  bad_input = 11,     // malformed magnet, torrent or bencode
  interrupted = 130,  // Ctrl-C, resumable
  terminated = 143,   // SIGTERM on an unfinished one-shot command
};

/// The table's name, as it stands in the `exit` record.
[[nodiscard]] constexpr std::string_view name(ExitCode code) {
  switch (code) {
    case ExitCode::ok: return "ok";
    case ExitCode::error: return "error";
    case ExitCode::usage: return "usage";
    case ExitCode::not_found: return "not-found";
    case ExitCode::timeout: return "timeout";
    case ExitCode::network: return "network";
    case ExitCode::integrity: return "integrity";
    case ExitCode::storage: return "storage";
    case ExitCode::daemon: return "daemon";
    case ExitCode::conflict: return "conflict";
    case ExitCode::partial: return "partial";
    case ExitCode::bad_input: return "bad-input";
    case ExitCode::interrupted:
    case ExitCode::terminated: return "signal";
  }
  return "error";
}

}  // namespace lodestone::tools
