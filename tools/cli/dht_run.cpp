// SPDX-License-Identifier: Apache-2.0
#include "tools/cli/dht_run.hpp"

#include <algorithm>
#include <utility>

#include "tools/cli/session_options.hpp"
#include "tools/cli/target.hpp"
#include "tools/cli/units.hpp"

namespace lodestone::tools {
namespace {

constexpr const char* kUnreachableHint =
    "Check that a firewall lets UDP out, or name a node with --bootstrap HOST:PORT";

}  // namespace

DhtRun::DhtRun(Context& context, std::string subject)
    : context_(context),
      subject_(std::move(subject)),
      runtime_(node::RuntimeConfig{.block_memory = 1u << 20, .disk_threads = 1}) {
  set_up_log(context);
}

ExitCode DhtRun::run(const std::function<void()>& body, node::Session::DhtEventHandler on_event) {
  const RunGuard guard(runtime_, context_, [this](StopCause cause) { on_stop(cause); });
  auto config = session_config(context_.global, SessionRole::dht);
  if (!config) return context_.fail(config.error());
  if (start(*std::move(config), std::move(on_event))) body();
  return loop();
}

ExitCode DhtRun::run_with(const magnet::HostPort& node, const std::function<void(const wire::Endpoint&)>& body,
                          node::Session::DhtEventHandler on_event) {
  const RunGuard guard(runtime_, context_, [this](StopCause cause) { on_stop(cause); });
  auto config = config_for_named();
  if (!config) return context_.fail(config.error());
  one_node_ = true;
  // A session that is never started resolves names all the same. The address must be known before the real one starts:
  // an address that is named grants its kind (S5).
  node::Session names(runtime_, node::SessionConfig{});
  names.resolve({node}, [&](const std::vector<wire::Endpoint>& found) {
    const auto usable = std::find_if(found.begin(), found.end(), [this](const wire::Endpoint& e) {
      return e.address.is_v4() ? context_.global.use_v4() : context_.global.use_v6();
    });
    if (usable == found.end())
      return fail(ExitCode::network, node.text() + " has no address", "Check the name and the network");
    const wire::Endpoint endpoint = *usable;
    config->explicit_peers = {*magnet::HostPort::parse(endpoint.text())};
    if (start(*config, on_event)) body(endpoint);
  });
  return loop();
}

ExitCode DhtRun::run_among(const std::vector<magnet::HostPort>& nodes,
                           const std::function<void(const std::vector<Resolved>&)>& body,
                           node::Session::DhtEventHandler on_event) {
  const RunGuard guard(runtime_, context_, [this](StopCause cause) { on_stop(cause); });
  auto config = config_for_named();
  if (!config) return context_.fail(config.error());
  one_node_ = true;
  node::Session names(runtime_, node::SessionConfig{});
  std::vector<Resolved> resolved;
  std::size_t unresolved = nodes.size();
  for (const magnet::HostPort& node : nodes) resolved.push_back({node, {}});
  for (Resolved& one : resolved) {
    names.resolve({one.name}, [&](const std::vector<wire::Endpoint>& found) {
      for (const wire::Endpoint& endpoint : found) {
        if (endpoint.address.is_v4() ? !context_.global.use_v4() : !context_.global.use_v6()) continue;
        one.endpoints.push_back(endpoint);
        config->explicit_peers.push_back(*magnet::HostPort::parse(endpoint.text()));
      }
      if (--unresolved == 0 && !finished() && start(*config, on_event)) body(resolved);
    });
  }
  return loop();
}

std::expected<node::SessionConfig, Failure> DhtRun::config_for_named() const {
  auto config = session_config(context_.global, SessionRole::dht);
  if (!config) return config;
  config->bootstrap.clear();
  config->use_builtin_routers = false;
  config->state_dir.clear();
  return config;
}

bool DhtRun::start(node::SessionConfig config, node::Session::DhtEventHandler on_event) {
  session_.emplace(runtime_, std::move(config));
  if (on_event) session_->on_dht_event(std::move(on_event));
  const auto started = session_->start();
  if (started) return true;
  finish(context_.fail(failure_of(started.error())));
  return false;
}

void DhtRun::finish(ExitCode code) {
  if (code_) return;
  code_ = code;
  context_.out.end_status();
  if (session_)
    session_->stop([this] { runtime_.stop(); });
  else
    runtime_.stop();
}

void DhtRun::fail(ExitCode code, std::string cause, std::string next_step) {
  if (!code_) finish(context_.fail(code, subject_, std::move(cause), std::move(next_step)));
}

void DhtRun::fail_unanswered() { fail(ExitCode::network, "no DHT node has answered", kUnreachableHint); }

void DhtRun::on_stop(StopCause cause) {
  if (cause != StopCause::timeout)
    return fail(exit_code_of(cause), cause == StopCause::interrupt ? "interrupted" : "terminated");
  const std::string limit = format_duration(wire::to_seconds(*context_.global.timeout));
  if (one_node_) return fail(ExitCode::timeout, "no reply in " + limit, kNoReplyHint);
  if (session_ && session_->dht_status().ever_answered())
    return fail(ExitCode::timeout, "not complete after " + limit, "Give it more --timeout");
  fail(ExitCode::network, "no DHT node has answered in " + limit, kUnreachableHint);
}

ExitCode DhtRun::loop() {
  runtime_.run();
  session_.reset();
  return code_.value_or(ExitCode::error);
}

std::expected<wire::Key, Failure> read_key(const std::string& target, Context& context) {
  const auto read = read_target(target, context);
  if (!read) return std::unexpected(read.error());
  if (read->uri.info_hash) return wire::Key{read->uri.info_hash->bytes()};
  if (!read->uri.info_hash_v2)
    return std::unexpected(
        Failure{ExitCode::error, read->subject, "unsupported: it names no torrent, only a public key", ""});
  wire::Key key;
  std::copy_n(read->uri.info_hash_v2->begin(), wire::Key::kSize, key.bytes().begin());
  return key;
}

}  // namespace lodestone::tools
