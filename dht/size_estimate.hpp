// SPDX-License-Identifier: Apache-2.0
// How many nodes a network has, from how close the closest ones are. Ids are uniform and XOR keeps them so: around a
// random target, n nodes lie like n points thrown on [0, 1), and the distance d to the k-th closest is the k-th order
// statistic. With a density of n and n much larger than k, n * d is Gamma(k, 1), and d is all that the k distances tell
// of n (given d, the k-1 smaller ones are uniform below it). Over m lookups the maximum likelihood estimate of the
// density is therefore sum(k) / sum(d); (sum(k) - 1) / sum(d) is the same without its bias. The network has one node
// less than that: n points cut n + 1 gaps. One lookup that somebody led to nodes much too close adds nearly nothing to
// sum(d) and so cannot move the result by more than its own share.
// The interval: 2 * n * sum(d) is chi-square with 2 * sum(k) degrees of freedom (quantiles by Wilson and Hilferty). It
// is widened by what the lookups differ beyond chance, and because many lookups in a small network measure the same
// nodes again: these are one draw, worth about ten observations each (found by simulation).
// What is counted are nodes that answer whoever asks, without the asker.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "wire/base/id.hpp"

namespace lodestone::dht {

class SizeEstimate {
 public:
  struct Result {
    double nodes = 0;
    double low = 0, high = 0;   // of a 95 % interval
    std::uint32_t lookups = 0;  // that it rests on
  };

  explicit SizeEstimate(std::size_t k) : k_(k) {}

  /// What a lookup for a random target found: those that answered, closest first, as far as it looked for all of them.
  /// Only the first k are used. Fewer than k are the whole network, as far as that lookup goes.
  void add(const wire::Key& target, std::span<const wire::NodeId> closest);
  /// nullopt: no lookup has found anybody.
  [[nodiscard]] std::optional<Result> result() const;

 private:
  std::size_t k_;
  std::vector<double> reach_;    // of each lookup that found k: the distance of the k-th, as a share of the key space
  std::uint32_t short_ = 0;      // lookups that found fewer, but somebody
  std::set<wire::NodeId> seen_;  // at least so many there are
};

}  // namespace lodestone::dht
