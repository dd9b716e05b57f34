// SPDX-License-Identifier: Apache-2.0
// Canonical peer priority (BEP 40): both ends of a possible connection compute the same number, so that whoever has to
// choose prefers the same links and nobody can make himself popular. Higher is better.
#pragma once

#include <cstdint>

#include "wire/base/bytes.hpp"
#include "wire/base/endpoint.hpp"

namespace lodestone::magnet {

/// CRC-32C (Castagnoli).
[[nodiscard]] std::uint32_t crc32c(wire::Bytes data);

/// Endpoints of different families have priority 0.
[[nodiscard]] std::uint32_t canonical_priority(const wire::Endpoint& a, const wire::Endpoint& b);

}  // namespace lodestone::magnet
