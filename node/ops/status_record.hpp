// SPDX-License-Identifier: Apache-2.0
// The record `status`: a report as `node status --json` prints it, and as a running node hands it out on its socket.
#pragma once

#include <string>

#include "node/ops/node_report.hpp"

namespace lodestone::node {

/// One line of JSON, without the line break.
[[nodiscard]] std::string status_record(const NodeReport& report);

}  // namespace lodestone::node
