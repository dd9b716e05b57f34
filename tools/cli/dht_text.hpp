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
/// Which programs the contacts are, by share: "versions: LT 43 %, UT 12 %, ...". Empty where there is no contact.
[[nodiscard]] std::string versions_line(const TableView& table);
/// What its node had counted when it was saved: in detail, or in a line only what may say that something is wrong.
[[nodiscard]] std::vector<std::string> count_lines(const TableView& table, bool detailed);
/// Whose table it is and how old: "IPv4, node 00ab..., 42 nodes, saved 2m 10s ago".
[[nodiscard]] std::string table_title(const TableView& table);

}  // namespace lodestone::tools
