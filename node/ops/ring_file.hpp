// SPDX-License-Identifier: Apache-2.0
// Whom an introducer handed out, for its next start: compact contacts one behind the other and nothing else, written
// from where they lie. A file is as untrusted as a datagram: whoever is in it is asked before long.
#pragma once

#include <cstddef>
#include <string>

#include "wire/base/bytes.hpp"
#include "wire/base/endpoint.hpp"

namespace lodestone::node {

/// Replaces what is there; a failure is logged.
void save_ring(const std::string& path, wire::Bytes contacts);
/// Empty when there is none, it cannot be read, is of another form or of more than `most` contacts.
[[nodiscard]] wire::ByteVector load_ring(const std::string& path, wire::Family family, std::size_t most);

}  // namespace lodestone::node
