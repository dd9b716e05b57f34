// SPDX-License-Identifier: Apache-2.0
// BEP 44 items that a `node` puts again every hour: one file each, under its target, in a folder of the state
// directory. `dht put` adds them, whoever removes a file ends it. A file that is no item in order costs only itself.
#pragma once

#include <string>
#include <system_error>
#include <vector>

#include "dht/item.hpp"

namespace lodestone::node {

/// Makes the folder if need be. An older version is replaced.
[[nodiscard]] std::error_code save_item(const std::string& folder, const dht::Item& item);
/// At most as many as a node keeps; no folder, no items.
[[nodiscard]] std::vector<dht::Item> load_items(const std::string& folder);

}  // namespace lodestone::node
