// SPDX-License-Identifier: Apache-2.0
// The JSON records of `dht ...`, exactly as cli.md has them, and what several families' answers make together. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "dht/node.hpp"

namespace lodestone::tools {

/// One lookup per family becomes one: sums, the longest time, the earliest value, the closest of all, each family's own
/// k.
[[nodiscard]] dht::LookupStats merged(std::span<const dht::LookupStats> lookups);

/// `peers`: distinct ones over all families, which the parts do not know.
[[nodiscard]] nlohmann::ordered_json lookup_record(const dht::LookupStats& stats, double bootstrap_seconds,
                                                   std::size_t peers);
[[nodiscard]] nlohmann::ordered_json peer_record(const wire::Endpoint& peer, const wire::Endpoint& from,
                                                 double elapsed);
[[nodiscard]] nlohmann::ordered_json pong_record(const dht::event::QueryDone& done);
[[nodiscard]] nlohmann::ordered_json announce_record(const wire::Key& target, std::uint16_t port,
                                                     const std::vector<wire::Endpoint>& stored, std::uint32_t refused);

/// `from`: how many nodes have it.
[[nodiscard]] nlohmann::ordered_json item_record(const dht::Item& item, std::uint32_t from);
[[nodiscard]] nlohmann::ordered_json put_record(const dht::Item& item, std::size_t stored);
[[nodiscard]] nlohmann::ordered_json samples_record(const dht::event::Samples& samples);
/// `distance`: the bits that the node's id has in common with the target, from the front.
[[nodiscard]] nlohmann::ordered_json hop_record(const dht::event::Hop& hop, const wire::Key& target);
/// Bencode as JSON, in the manner of `bdecode`: byte strings that are no UTF-8 as {"hex":...}, a dictionary with such a
/// key as {"pairs":[...]}. The value has been checked (dht::is_canonical_value), which bounds its depth.
[[nodiscard]] nlohmann::ordered_json value_json(wire::Bytes bencoded);

/// Printable characters of "v" as they are, other bytes as \xNN.
[[nodiscard]] std::string version_text(std::string_view version);

}  // namespace lodestone::tools
