// SPDX-License-Identifier: Apache-2.0
// What a node remembers across restarts, as bencode: {"contacts": [compact contact + 8 bytes of last_seen, ...],
// "failed": a byte for each of them, 0 or 1, "format": 1, "id": 20 bytes, "rtt": two bytes for each, milliseconds or 0,
// "saved": seconds since 1970}. Files of earlier versions have no "failed", "rtt" and "saved", and those versions do
// not look at them; if they do not fit they count as not there. A file is as untrusted as a datagram: sizes are
// bounded, contacts that make no sense are skipped, and a damaged file costs only itself.
#pragma once

#include <expected>
#include <string_view>

#include "dht/node.hpp"
#include "wire/base/bytes.hpp"

namespace lodestone::dht {

enum class SnapshotError : std::uint8_t { too_large, not_bencode, not_a_snapshot, unknown_format, bad_id };
[[nodiscard]] std::string_view describe(SnapshotError e);

/// More contacts than this are neither written (the first ones are) nor read.
inline constexpr std::size_t kMaxSavedContacts = 20'000;

[[nodiscard]] wire::ByteVector encode(const Snapshot& snapshot);
[[nodiscard]] std::expected<Snapshot, SnapshotError> decode(Bytes raw);

}  // namespace lodestone::dht
