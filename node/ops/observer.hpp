// SPDX-License-Identifier: Apache-2.0
// Shows a running node to whoever operates it: /metrics, /healthz and /readyz for Prometheus and its like on a TCP
// port, and the same with /status on the socket in the state directory. Each of the two has a thread, which looks at
// the session through the network thread and waits for it kReaction at most: that is what /healthz is about.
// For the network thread (or before it runs); to be destroyed before the session stops.
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <system_error>

#include "node/net/fd.hpp"
#include "node/ops/node_report.hpp"
#include "node/runtime.hpp"
#include "node/session.hpp"
#include "wire/base/endpoint.hpp"
#include "wire/base/time.hpp"

namespace lodestone::node {

class Observer {
 public:
  static constexpr wire::Duration kReaction = std::chrono::seconds(2);

  Observer(Runtime& runtime, const Session& session, NodeFacts facts);
  ~Observer();
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;

  /// `listening` from bind_metrics().
  void serve_metrics(UniqueFd listening);
  /// In the state directory, whose node.lock the session holds.
  [[nodiscard]] std::error_code serve_status();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

struct MetricsPort {
  UniqueFd listening;
  wire::Endpoint local;  // port 0 has become a number
};
[[nodiscard]] std::expected<MetricsPort, std::error_code> bind_metrics(const wire::Endpoint& where);

}  // namespace lodestone::node
