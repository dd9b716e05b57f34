// SPDX-License-Identifier: Apache-2.0
// What all `dht ...` commands share: a read-only session on UDP only (T7), names resolved, an end.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "node/session.hpp"
#include "tools/cli/context.hpp"
#include "tools/cli/run_guard.hpp"

namespace lodestone::tools {

/// cli.md: so long nobody may answer before it is a failure of the network.
inline constexpr wire::Duration kNoAnswerAfter = std::chrono::seconds(15);

/// How often a command looks whether it is done.
inline constexpr wire::Duration kTick = std::chrono::milliseconds(20);

/// A family whose DHT has not answered by then is left out when the other one is done.
inline constexpr double kFamilyPatience = 2;  // seconds

/// For a node that was named and stays silent.
inline constexpr const char* kNoReplyHint = "It may be down, behind a firewall, or no DHT node";

class DhtRun {
 public:
  /// `subject`: of the failures, "dht ping".
  DhtRun(Context& context, std::string subject);

  node::Runtime& runtime() { return runtime_; }
  /// Only while a body runs.
  node::Session& session() { return *session_; }
  [[nodiscard]] Context& context() { return context_; }

  /// A session that joins the DHT; `body` is called when it has started, and leads to finish(). Events of the DHT go to
  /// `on_event` (may be empty).
  ExitCode run(const std::function<void()>& body, node::Session::DhtEventHandler on_event);
  /// A session that talks to that one node only; `body` is told its address.
  ExitCode run_with(const magnet::HostPort& node, const std::function<void(const wire::Endpoint&)>& body,
                    node::Session::DhtEventHandler on_event);

  /// The same with several nodes, each with all of its addresses; none: the name has no address.
  struct Resolved {
    magnet::HostPort name;
    std::vector<wire::Endpoint> endpoints;
  };
  ExitCode run_among(const std::vector<magnet::HostPort>& nodes,
                     const std::function<void(const std::vector<Resolved>&)>& body,
                     node::Session::DhtEventHandler on_event);

  /// Ends it; the first call counts.
  void finish(ExitCode code);
  void fail(ExitCode code, std::string cause, std::string next_step = {});
  /// With what there is to say when nobody has answered within kNoAnswerAfter.
  void fail_unanswered();
  [[nodiscard]] bool finished() const { return code_.has_value(); }

 private:
  /// The configuration for whom it is named: nobody else is asked, and nothing is learnt that would be worth keeping.
  [[nodiscard]] std::expected<node::SessionConfig, Failure> config_for_named() const;
  bool start(node::SessionConfig config, node::Session::DhtEventHandler on_event);
  void on_stop(StopCause cause);
  ExitCode loop();

  Context& context_;
  std::string subject_;
  bool one_node_ = false;  // run_with(): what counts is its reply, not the network
  node::Runtime runtime_;
  std::optional<node::Session> session_;
  std::optional<ExitCode> code_;
};

/// The point of the key space that a TARGET stands for: its info-hash, or the first 20 bytes of a v2-only one (BEP 52).
[[nodiscard]] std::expected<wire::Key, Failure> read_key(const std::string& target, Context& context);

}  // namespace lodestone::tools
