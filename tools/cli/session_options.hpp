// SPDX-License-Identifier: Apache-2.0
// From the global options of the command line to what a session wants to know. Pure.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "node/session.hpp"
#include "tools/cli/context.hpp"

namespace lodestone::tools {

/// Which kind of command asks; it decides what cli.md leaves to the command: the default port, whether peers are taken,
/// whether we answer the DHT (T7) and whose identity is used (D6).
enum class SessionRole : std::uint8_t { get, seed, node, testnet, dht };

/// Fails (usage) when -4 or -6 leaves no address of --listen.
[[nodiscard]] std::expected<node::SessionConfig, Failure> session_config(const GlobalOptions& options,
                                                                         SessionRole role);

/// What a `node` is there for: how much it stores and asks at once.
enum class NodeRole : std::uint8_t { client, node, bootstrap };
[[nodiscard]] std::expected<NodeRole, std::string> parse_node_role(const std::string& text);
[[nodiscard]] std::string_view name_of(NodeRole role);
[[nodiscard]] dht::Limits limits_of(NodeRole role);

/// "0.0.0.0:6881: taken" and its like, with the exit code of cli.md's table and a next step.
[[nodiscard]] Failure failure_of(const node::StartError& error);

/// Why a torrent cannot go on: the disk's trouble, or an info dict that is no use. `name` is the torrent's, for the
/// case that no path is known.
[[nodiscard]] Failure failure_of(const node::session_event::Failed& failed, const std::string& name);

/// Where the log goes and how it looks, once and before a command runs. Fails (storage) when --log-file cannot be
/// opened.
[[nodiscard]] std::optional<Failure> open_log(const GlobalOptions& options);
void set_log_level(LogLevel level);
/// The program's log is as loud as --log-level, -q and -v say, and its lines do not run into a status line.
void set_up_log(const Context& context);

}  // namespace lodestone::tools
