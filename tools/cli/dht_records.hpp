// SPDX-License-Identifier: Apache-2.0
// The JSON records of `dht ...`, exactly as cli.md has them, and what several families' answers make together. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "dht/node.hpp"
#include "dht/size_estimate.hpp"

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
[[nodiscard]] nlohmann::ordered_json size_record(wire::Family family, const dht::SizeEstimate::Result& size);

/// A saved table as its node would see it: its contacts by how many bits of its id they share.
struct TableView {
  struct Contact {
    dht::SavedContact saved;
    std::optional<double> age;  // seconds since its last reply
    bool good = false;          // BEP 5: it had answered within 15 minutes, and has not failed to since
  };
  wire::Family family = wire::Family::v4;
  std::optional<wire::NodeId> id;                // none: no node has run, only others have saved what they learnt
  std::optional<double> saved;                   // seconds ago
  std::map<int, std::vector<Contact>> by_depth;  // with no id: all at 0
  std::optional<dht::SavedCounters> run;         // what that node has counted, and since when
  [[nodiscard]] std::size_t contacts() const;
};
[[nodiscard]] TableView table_view(wire::Family family, const dht::Snapshot& snapshot, wire::UnixSeconds now);
[[nodiscard]] nlohmann::ordered_json table_record(const TableView& table);

/// Bencode as JSON, in the manner of `bdecode`: byte strings that are no UTF-8 as {"hex":...}, a dictionary with such a
/// key as {"pairs":[...]}. The value has been checked (dht::is_canonical_value), which bounds its depth.
[[nodiscard]] nlohmann::ordered_json value_json(wire::Bytes bencoded);

/// Printable characters of "v" as they are, other bytes as \xNN.
[[nodiscard]] std::string version_text(std::string_view version);

}  // namespace lodestone::tools
