// SPDX-License-Identifier: Apache-2.0
// Who is in a crowd of DHT nodes that keeps no state (tests/bench/dht_crowd), and what each of them knows. A node has a
// /24 of its own and an id that its address allows (BEP 42). Its routing table is computed when it is asked for: a
// function of seed, node and bucket that chooses 128, 64, 32, 16, 8, 8 ... contacts of the bucket's key range, spread
// over it, the dead like the living. Invariant: sorted by id; nothing changes after the making.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "dht/contact.hpp"
#include "wire/base/endpoint.hpp"
#include "wire/base/id.hpp"

namespace lodestone::bench {

class CrowdKeys {
 public:
  using Index = std::uint32_t;
  static constexpr std::size_t kClosest = 8;  // BEP 5

  struct Node {
    dht::Contact contact;
    bool alive = false;
  };

  /// `living` nodes, and as many dead ones that the tables name, too, as make up the share `dead` of all. The addresses
  /// come out of 44.0.0.0/6, which has room for 262,144 in all; 0 living, or more than that: std::invalid_argument.
  CrowdKeys(std::size_t living, double dead, std::uint16_t port, std::uint64_t seed);

  [[nodiscard]] std::size_t size() const { return nodes_.size(); }
  [[nodiscard]] const Node& operator[](Index i) const { return nodes_[i]; }
  /// Dead or alive; none: nobody lives there.
  [[nodiscard]] std::optional<Index> at(const wire::Address& address) const;

  /// What this node answers when it is asked for nodes: the closest in its table, closest first.
  [[nodiscard]] std::vector<Index> closest_known(Index node, const wire::Key& target) const;
  /// It is one of the kClosest living nodes of all, so that whoever announces there comes to it.
  [[nodiscard]] bool stores(Index node, const wire::Key& target) const;

 private:
  struct Range {
    Index first, last;  // one behind
    [[nodiscard]] Index size() const { return last - first; }
  };
  /// The ids that share the first `bits` bits with this one.
  [[nodiscard]] Range sharing(std::uint64_t key, int bits) const;
  [[nodiscard]] Index living_in(const Range& r) const { return living_before_[r.last] - living_before_[r.first]; }
  void append_bucket(Index node, int bucket, const Range& range, std::vector<Index>& out) const;

  std::uint64_t seed_;
  std::vector<Node> nodes_;
  std::vector<std::uint64_t> keys_;   // the first eight bytes of each id: enough to tell ranges apart
  std::vector<Index> living_before_;  // [i]: how many of the nodes before i are alive
  std::vector<Index> by_prefix_;      // of the /24s in order: who has it, or kNobody
};

}  // namespace lodestone::bench
