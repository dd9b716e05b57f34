// SPDX-License-Identifier: Apache-2.0
#include "node/ops/node_report.hpp"

#include <algorithm>

namespace lodestone::node {

std::optional<std::string> not_ready(const DhtStatus& dht) {
  if (dht.nodes.empty()) return "it is stopping";
  const auto serves = [](const DhtStatus::One& one) { return (one.ever_answered || one.ring != 0) && !one.offline; };
  if (std::any_of(dht.nodes.begin(), dht.nodes.end(), serves)) return std::nullopt;
  const auto offline = [](const DhtStatus::One& one) { return one.offline; };
  if (std::any_of(dht.nodes.begin(), dht.nodes.end(), offline)) return "nobody has answered of late: is it offline?";
  return "no DHT node has answered yet";
}

}  // namespace lodestone::node
