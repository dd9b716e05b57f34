// SPDX-License-Identifier: Apache-2.0
// How densely the nodes of the network lie, running, from this node's own finished lookups: around a random target the
// k-th closest responder lies at a distance d such that density * d is Gamma(k, 1) (see size_estimate), and the median
// of the last few d says what the density is. The median, because one lookup may have been led astray: whoever lies to
// it moves the estimate by one rank. A target counts once, with its last lookup, however often it is looked up. Where
// the latest few say that it is denser, they are believed: the network has grown, and who expects more nodes than there
// are only waits a little longer.
// Knows no network: Node brings what its lookups have found.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "wire/base/id.hpp"

namespace lodestone::dht {

class Density {
 public:
  /// Distances are of the k-th closest.
  explicit Density(int k) : k_(k) {}

  /// A lookup that waited for everybody has found the k-th closest responder at that share of the key space.
  void add(const wire::Key& target, double share);
  /// Nodes in the whole key space; nullopt while too few lookups have told.
  [[nodiscard]] std::optional<double> nodes() const;
  /// The share of the key space, counted from any point, in which so many nodes are to be expected; 0: not known.
  [[nodiscard]] double share_of(double expected) const;

 private:
  static constexpr std::size_t kKept = 16;
  static constexpr std::size_t kEnough = 5;
  static constexpr std::size_t kLatest = 8;

  struct Sample {
    std::uint32_t target;  // the first bits of it
    float share;
  };
  [[nodiscard]] double nodes_by(std::span<const Sample> samples) const;

  int k_;
  std::vector<Sample> samples_;  // oldest first
};

/// A distance as a share of the key space, in (0, 1].
[[nodiscard]] double share_of_key_space(const wire::Distance& distance);

}  // namespace lodestone::dht
