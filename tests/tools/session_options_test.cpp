// SPDX-License-Identifier: Apache-2.0
#include "tools/cli/session_options.hpp"

#include <catch2/catch.hpp>

namespace lodestone::tools {
namespace {

const wire::Address kV4 = *wire::Address::parse("192.0.2.1");
const wire::Address kV6 = *wire::Address::parse("::1");

TEST_CASE("global options reach the session") {
  GlobalOptions g;
  g.listen = {{kV4, 7000}, {kV6, std::nullopt}};
  g.bootstrap = {{"a", 1}};
  g.peers = {{"b", 2}};
  g.state_dir = "/x";
  g.private_net = true;
  const auto config = session_config(g, SessionRole::get);
  REQUIRE(config);
  REQUIRE(config->listen.size() == 2);
  CHECK(config->listen[0].port == 7000);
  CHECK_FALSE(config->listen[1].port);
  CHECK(config->bootstrap == g.bootstrap);
  CHECK(config->explicit_peers == g.peers);
  CHECK(config->state_dir == "/x");
  CHECK(config->private_net);
  CHECK(config->use_builtin_routers);
  CHECK((config->v4 && config->v6));
  g.no_bootstrap = true;
  CHECK_FALSE(session_config(g, SessionRole::get)->use_builtin_routers);
}

TEST_CASE("Options -4 and -6 take the other family's addresses away, and may leave none") {
  GlobalOptions g;
  g.listen = {{kV4, std::nullopt}, {kV6, std::nullopt}};
  g.v6_only = true;
  const auto config = session_config(g, SessionRole::get);
  REQUIRE(config);
  REQUIRE(config->listen.size() == 1);
  CHECK(config->listen[0].address == kV6);
  CHECK_FALSE(config->v4);
  g.listen = {{kV4, 1}};
  const auto none = session_config(g, SessionRole::get);
  REQUIRE_FALSE(none);
  CHECK(none.error().code == ExitCode::usage);
}

TEST_CASE("the role decides port, identity and whether peers are taken") {
  const GlobalOptions g;
  const auto of = [&g](SessionRole role) { return session_config(g, role).value(); };
  CHECK(of(SessionRole::get).port_rule == node::PortRule::ephemeral);
  CHECK(of(SessionRole::get).tcp);
  CHECK(of(SessionRole::seed).port_rule == node::PortRule::first_free_6881_6999);
  CHECK_FALSE(of(SessionRole::seed).owns_identity);
  CHECK(of(SessionRole::node).port_rule == node::PortRule::first_free_6881_6999);
}

TEST_CASE("D6 only `node` owns the saved identity") {
  const GlobalOptions g;
  for (const SessionRole role : {SessionRole::get, SessionRole::seed, SessionRole::testnet, SessionRole::dht})
    CHECK_FALSE(session_config(g, role)->owns_identity);
  CHECK(session_config(g, SessionRole::node)->owns_identity);
}

TEST_CASE("the role of a node decides how much it stores") {
  CHECK(session_config(GlobalOptions{}, SessionRole::node)->dht_limits.peers_total == dht::Limits::node().peers_total);
  for (const NodeRole role : {NodeRole::client, NodeRole::node, NodeRole::bootstrap})
    CHECK(parse_node_role(std::string(name_of(role))) == role);
  CHECK(limits_of(NodeRole::client).peers_total == dht::Limits::client().peers_total);
  CHECK(limits_of(NodeRole::node).peers_total == dht::Limits::node().peers_total);
  CHECK(limits_of(NodeRole::client).peers_total < limits_of(NodeRole::node).peers_total);
  CHECK(limits_of(NodeRole::bootstrap).ring_size == 1'000'000);
  CHECK(limits_of(NodeRole::node).ring_size == 0);
  for (const char* other : {"", "Node", "crawler"}) CHECK_FALSE(parse_node_role(other));
}

TEST_CASE("T7 only `dht ...` is read-only") {
  const GlobalOptions g;
  for (const SessionRole role : {SessionRole::get, SessionRole::seed, SessionRole::node, SessionRole::testnet})
    CHECK_FALSE(session_config(g, role)->dht_read_only);
  CHECK(session_config(g, SessionRole::dht)->dht_read_only);
  CHECK_FALSE(session_config(g, SessionRole::dht)->tcp);
}

TEST_CASE("a testnet keeps nothing and asks nobody outside") {
  GlobalOptions g;
  g.bootstrap = {{"router", 1}};
  g.state_dir = "/x";
  const auto config = session_config(g, SessionRole::testnet);
  REQUIRE(config);
  CHECK(config->bootstrap.empty());
  CHECK_FALSE(config->use_builtin_routers);
  CHECK(config->state_dir.empty());
  CHECK(config->private_net);
}

TEST_CASE("what keeps a session from starting has its exit code") {
  using Kind = node::StartError::Kind;
  const auto code = [](Kind kind) { return failure_of(node::StartError{kind, "x", "y"}).code; };
  CHECK(code(Kind::port_taken) == ExitCode::network);
  CHECK(code(Kind::no_interface) == ExitCode::network);
  CHECK(code(Kind::state_dir) == ExitCode::storage);
  CHECK(code(Kind::storage) == ExitCode::storage);
  CHECK(code(Kind::conflict) == ExitCode::conflict);
  CHECK(code(Kind::unsupported) == ExitCode::error);
  CHECK(failure_of(node::StartError{Kind::port_taken, "1.2.3.4:5", "Address already in use"}).text() ==
        "1.2.3.4:5: Address already in use. Stop what uses it, or choose another port with --listen.");
}

TEST_CASE("what stops a torrent has its exit code and names the path") {
  using Kind = storage::Trouble::Kind;
  const auto of = [](Kind kind, std::errc code, const char* path) {
    return failure_of({.trouble = {kind, std::make_error_code(code), path}, .bad_metadata = ""}, "torrent");
  };
  CHECK(of(Kind::conflict, std::errc::file_exists, "out/x").code == ExitCode::conflict);
  CHECK(of(Kind::conflict, std::errc::file_exists, "out/x").next_step.find("--force") != std::string::npos);
  for (const Kind kind : {Kind::disk_full, Kind::permission, Kind::read_only, Kind::io, Kind::unsafe_path})
    CHECK(of(kind, std::errc::io_error, "out/x").code == ExitCode::storage);
  CHECK(of(Kind::permission, std::errc::permission_denied, "out/x").subject == "out/x");
  CHECK(of(Kind::permission, std::errc::permission_denied, "").subject == "torrent");
  const Failure bad = failure_of({.trouble = {}, .bad_metadata = "no name"}, "torrent");
  CHECK(bad.code == ExitCode::bad_input);
  CHECK(bad.text().starts_with("torrent: its metadata is no use: no name."));
}

}  // namespace
}  // namespace lodestone::tools
