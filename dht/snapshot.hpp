// SPDX-License-Identifier: Apache-2.0
// What a node remembers across restarts, as bencode:
//   contacts  the routing table: a list of compact contacts with 8 bytes of last_seen behind each
//   counters  what the run that saved it has counted: a dictionary of names (dht/counters) and numbers
//   failed    a byte for each of them, 0 or 1
//   format    1
//   id        20 bytes
//   lookups   where lookups ended: a list of {"at": seconds since 1970, "h": info-hash, "n": compact nodes,
//             "p": compact peers}
//   rtt       two bytes for each of the contacts, milliseconds or 0
//   saved     seconds since 1970
//   since     likewise: when that run began; without it the counters are not there
//   store4/6  the contact store: compact contacts with 4 bytes of last_seen behind each, in one string
//   v         four bytes for each of the contacts: what program it is, or zeros
// Files of earlier versions have only contacts, format and id, and those versions look at nothing else. A file is as
// untrusted as a datagram: sizes are bounded, what makes no sense is skipped where it is one of many and else counts as
// not there, and a damaged file costs only itself.
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
inline constexpr std::size_t kMaxSavedStore = 200'000;  // of each family
inline constexpr std::size_t kMaxSavedLookups = 1'000;
inline constexpr std::size_t kMaxSnapshotBytes = 24u << 20;

[[nodiscard]] wire::ByteVector encode(const Snapshot& snapshot);
[[nodiscard]] std::expected<Snapshot, SnapshotError> decode(Bytes raw);

}  // namespace lodestone::dht
