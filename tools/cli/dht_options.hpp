// SPDX-License-Identifier: Apache-2.0
// Options that several `dht ...` commands take.
#pragma once

#include <expected>
#include <optional>
#include <string>

#include "magnet/uri.hpp"
#include "wire/base/time.hpp"

namespace CLI {
class App;
}

namespace lodestone::tools {

/// --wait DUR
void add_wait(CLI::App& command, std::optional<wire::Duration>& wait);

/// --salt S (BEP 44)
void add_salt(CLI::App& command, std::string& salt);

[[nodiscard]] std::expected<magnet::HostPort, std::string> parse_dht_node(const std::string& text);

}  // namespace lodestone::tools
