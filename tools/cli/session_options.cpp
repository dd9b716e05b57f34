// SPDX-License-Identifier: Apache-2.0
#include "tools/cli/session_options.hpp"

#include <utility>

#include "node/ops/log.hpp"

namespace lodestone::tools {
namespace {

std::expected<std::vector<node::ListenAddress>, Failure> listen_addresses(const GlobalOptions& options) {
  std::vector<node::ListenAddress> addresses;
  for (const ListenOption& given : options.listen) {
    const bool wanted = given.address.is_v4() ? options.use_v4() : options.use_v6();
    if (wanted) addresses.push_back({given.address, given.port});
  }
  if (addresses.empty() && !options.listen.empty()) {
    return std::unexpected(
        Failure{ExitCode::usage, "--listen " + options.listen.front().address.text(),
                std::string("not an address of the family that ") + (options.v4_only ? "-4" : "-6") + " leaves",
                "Leave one of the two out"});
  }
  return addresses;
}

}  // namespace

std::expected<node::SessionConfig, Failure> session_config(const GlobalOptions& options, SessionRole role) {
  auto listen = listen_addresses(options);
  if (!listen) return std::unexpected(std::move(listen.error()));
  node::SessionConfig config;
  config.listen = *std::move(listen);
  config.v4 = options.use_v4();
  config.v6 = options.use_v6();
  config.private_net = options.private_net;
  config.bootstrap = options.bootstrap;
  config.use_builtin_routers = !options.no_bootstrap;
  config.explicit_peers = options.peers;
  config.state_dir = options.state_dir;
  switch (role) {
    case SessionRole::get: break;
    case SessionRole::seed: config.port_rule = node::PortRule::first_free_6881_6999; break;
    case SessionRole::node:
      config.port_rule = node::PortRule::first_free_6881_6999;
      config.owns_identity = true;
      config.dht_limits = limits_of(NodeRole::node);
      config.tcp = false;
      break;
    case SessionRole::testnet:
      // Nothing of a testnet is kept, and nothing outside of it is asked.
      config.port_rule = node::PortRule::first_free_6881_6999;
      config.private_net = true;
      config.bootstrap.clear();
      config.use_builtin_routers = false;
      config.explicit_peers.clear();
      config.state_dir.clear();
      break;
    case SessionRole::dht:
      config.dht_read_only = true;
      config.tcp = false;
      break;
  }
  return config;
}

std::expected<NodeRole, std::string> parse_node_role(const std::string& text) {
  for (const NodeRole role : {NodeRole::client, NodeRole::node, NodeRole::bootstrap})
    if (text == name_of(role)) return role;
  return std::unexpected("'" + text + "' is no role; there are client, node and bootstrap");
}

std::string_view name_of(NodeRole role) {
  switch (role) {
    case NodeRole::client: return "client";
    case NodeRole::node: return "node";
    case NodeRole::bootstrap: return "bootstrap";
  }
  return "";
}

dht::Limits limits_of(NodeRole role) {
  switch (role) {
    case NodeRole::client: return dht::Limits::client();
    case NodeRole::node: return dht::Limits::node();
    case NodeRole::bootstrap: return dht::Limits::bootstrap();
  }
  return dht::Limits::node();
}

Failure failure_of(const node::StartError& error) {
  using Kind = node::StartError::Kind;
  switch (error.kind) {
    case Kind::port_taken:
      return {ExitCode::network, error.subject, error.cause, "Stop what uses it, or choose another port with --listen"};
    case Kind::no_interface:
      return {ExitCode::network, error.subject, error.cause, "Check the network, or choose an address with --listen"};
    case Kind::state_dir:
      return {ExitCode::storage, error.subject, error.cause, "Choose another folder with --state-dir"};
    case Kind::conflict: return {ExitCode::conflict, error.subject, error.cause, "Wait for that process or stop it"};
    case Kind::storage: return {ExitCode::storage, error.subject, error.cause, ""};
    case Kind::unsupported: return {ExitCode::error, error.subject, "unsupported: " + error.cause, ""};
  }
  return {ExitCode::error, error.subject, error.cause, ""};
}

Failure failure_of(const node::session_event::Failed& failed, const std::string& name) {
  if (!failed.bad_metadata.empty())
    return {ExitCode::bad_input, name, "its metadata is no use: " + failed.bad_metadata,
            "Ask whoever made this torrent"};
  using Kind = storage::Trouble::Kind;
  const storage::Trouble& trouble = failed.trouble;
  const std::string& subject = trouble.path.empty() ? name : trouble.path;
  std::string cause = trouble.code ? trouble.code.message() : "";
  const auto or_else = [&cause](const char* text) { return cause.empty() ? std::string(text) : cause; };
  switch (trouble.kind) {
    case Kind::conflict:
      return {ExitCode::conflict, subject, "something else is there, and none of it belongs to this torrent",
              "Move it away, choose another folder with -o, or overwrite it with --force"};
    case Kind::disk_full:
      return {ExitCode::storage, subject, or_else("the disk is full"),
              "What was verified stays: free some space and run the same command again"};
    case Kind::permission:
      return {ExitCode::storage, subject, or_else("permission denied"),
              "Make it writable, or choose another folder with -o"};
    case Kind::read_only:
      return {ExitCode::storage, subject, or_else("the file system is read-only"), "Choose another folder with -o"};
    case Kind::unsafe_path:
      return {ExitCode::storage, subject, "the path leads out of the download folder", "Look for symbolic links in it"};
    case Kind::io:
    case Kind::none: return {ExitCode::storage, subject, or_else("the disk failed"), "Check the disk"};
  }
  return {ExitCode::storage, subject, or_else("the disk failed"), ""};
}

void set_log_level(LogLevel level) {
  using Log = node::log::Level;
  switch (level) {
    case LogLevel::trace: return node::log::set_level(Log::trace);
    case LogLevel::debug: return node::log::set_level(Log::debug);
    case LogLevel::info: return node::log::set_level(Log::info);
    case LogLevel::warn: return node::log::set_level(Log::warn);
    case LogLevel::error: return node::log::set_level(Log::error);
    case LogLevel::off: return node::log::set_level(Log::off);
  }
}

void set_up_log(const Context& context) {
  node::log::set_line_start(context.out.progress() == ProgressMode::bar ? Output::kEraseLine : "");
  set_log_level(context.global.log_level);
}

std::optional<Failure> open_log(const GlobalOptions& options) {
  node::log::set_format(options.log_format == LogFormat::json ? node::log::Format::json : node::log::Format::text);
  if (options.log_file.empty()) return std::nullopt;
  if (const auto error = node::log::set_file(options.log_file))
    return Failure{ExitCode::storage, options.log_file, error.message(), "Choose another file with --log-file"};
  return std::nullopt;
}

}  // namespace lodestone::tools
