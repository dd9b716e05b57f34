// SPDX-License-Identifier: Apache-2.0
// How other implementations look things up, as a handful of numbers and switches: written from what BEP 5, the Kademlia
// paper and the projects' own documentation say they do. Ours is no value of this type; it is dht::Node.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "wire/base/time.hpp"

namespace lodestone::tools::sim {

struct Policy {
  std::string_view name;
  std::size_t k = 8;
  std::size_t start = 8;      // contacts of the table that a search starts from
  std::size_t in_flight = 3;  // queries at once
  wire::Duration timeout = std::chrono::seconds(10);
  /// A query that takes longer is slow: it keeps no other from being sent. Zero: there is no such thing.
  wire::Duration short_timeout{};
  /// Slow is what takes longer than 9 in 10 replies have taken so far.
  bool slow_by_quantile = false;
  /// Only queries among the closest (up to the k-th that has answered) count as in flight.
  bool counts_only_closest = false;
  /// The search is not over while somebody closer than the k-th is slow.
  bool waits_for_slow = true;
  bool one_per_prefix = false;  // one candidate of each /24
  /// Contacts that a bucket has at most; nullopt: 128, 64, 32, 16, 8, as the model fills them.
  std::optional<std::size_t> bucket_room = std::nullopt;

  /// Plain Kademlia as in BEP 5: alpha 3, buckets of 8, a silent node holds its slot until the timeout.
  [[nodiscard]] static constexpr Policy bep5() { return {.name = "bep5", .bucket_room = 8}; }
  /// libtorrent: branching factor 5 towards the closest, raised by one for each query that has passed its short
  /// timeout; done when the 8 closest have answered, which waits for the full timeout of those in between.
  [[nodiscard]] static constexpr Policy libtorrent() {
    return {.name = "libtorrent",
            .in_flight = 5,
            .timeout = std::chrono::seconds(15),
            .short_timeout = std::chrono::seconds(1),
            .counts_only_closest = true,
            .one_per_prefix = true};
  }
  /// mldht: ten at once, stalled queries (by what replies take) give their slots away and are not waited for.
  [[nodiscard]] static constexpr Policy mldht() {
    return {.name = "mldht", .start = 32, .in_flight = 10, .slow_by_quantile = true, .waits_for_slow = false};
  }
};

}  // namespace lodestone::tools::sim
