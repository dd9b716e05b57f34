// SPDX-License-Identifier: Apache-2.0
// The key that mutable items are signed with, in a file of its own (0600): its 32-byte seed as one line of hex (C3). A
// file that others can read is refused.
#pragma once

#include <expected>
#include <string>

#include "dht/item.hpp"
#include "tools/cli/context.hpp"

namespace lodestone::tools {

/// Makes a new one; a file that is there already is left alone (conflict).
[[nodiscard]] std::expected<dht::SigningKey, Failure> make_signing_key(const std::string& path);
[[nodiscard]] std::expected<dht::SigningKey, Failure> read_signing_key(const std::string& path);

}  // namespace lodestone::tools
