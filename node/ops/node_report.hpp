// SPDX-License-Identifier: Apache-2.0
// A node as it shows itself to whoever operates it, at one moment: the one value behind /metrics, /readyz and `node
// status`. Made by the observer.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "node/ops/process_stats.hpp"
#include "node/session.hpp"
#include "wire/base/time.hpp"

namespace lodestone::node {

/// What does not change while it runs.
struct NodeFacts {
  std::string version;  // of the program
  std::string role;     // as --role names it
  std::string state_dir;
  std::string metrics = {};  // where /metrics is served; empty: nowhere
};

struct NodeRates {
  double queries = 0, replies = 0;  // a second: asked of us, and answered by us
};

struct NodeReport {
  NodeFacts facts;
  DhtStatus dht;
  std::vector<NodeRates> rates;  // of dht.nodes, in their order
  wire::Duration uptime{};
  wire::Duration reaction{};  // of the network thread, when it was asked for this
  ProcessStats process;
};

/// Why it is of no use to anybody yet, or now; nullopt: it is ready, because one of its nodes is in touch with the
/// network or hands out a ring that it has kept.
[[nodiscard]] std::optional<std::string> not_ready(const DhtStatus& dht);

}  // namespace lodestone::node
