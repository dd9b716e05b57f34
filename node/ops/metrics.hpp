// SPDX-License-Identifier: Apache-2.0
// A report as Prometheus reads it (text format 0.0.4). What dht/counters counts appears under the name and with the
// meaning that its table gives it; what is added there is here, too. node/README.md says what to make of it.
#pragma once

#include <string>

#include "node/ops/node_report.hpp"

namespace lodestone::node {

inline constexpr const char* kMetricsType = "text/plain; version=0.0.4; charset=utf-8";

[[nodiscard]] std::string metrics_text(const NodeReport& report);

}  // namespace lodestone::node
