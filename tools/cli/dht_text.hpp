// SPDX-License-Identifier: Apache-2.0
// What `dht ...` shows to people, where that is more than a line of its records. Pure; what is strangers' in it is
// numbers and addresses only.
#pragma once

#include <string>
#include <vector>

#include "tools/cli/dht_records.hpp"

namespace lodestone::tools {

/// One query of a lookup: when, how close to the target, whom, who had named it, what came of it.
[[nodiscard]] std::string hop_line(const dht::event::Hop& hop, const wire::Key& target);

/// "IPv4: about 7400 nodes, ...".
[[nodiscard]] std::string size_line(wire::Family family, const dht::SizeEstimate::Result& size);
/// A line for each depth, under a line that names the columns.
[[nodiscard]] std::vector<std::string> table_lines(const TableView& table);
/// Whose table it is and how old: "IPv4, node 00ab..., 42 nodes, saved 2m 10s ago".
[[nodiscard]] std::string table_title(const TableView& table);

}  // namespace lodestone::tools
