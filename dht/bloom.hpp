// SPDX-License-Identifier: Apache-2.0
// The filter of BEP 33: 2,048 bits, two per address, from which the size of a set, or of the union of many nodes' sets,
// can be told. Unions are made by OR, never by adding estimates (S7). Ports are no part of it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "wire/base/bytes.hpp"
#include "wire/base/endpoint.hpp"

namespace lodestone::dht {

class BloomFilter {
 public:
  static constexpr std::size_t kSize = 256;  // bytes
  /// The specification's bound for a set that one node keeps; beyond it a filter says nothing any more.
  static constexpr double kMeaningful = 6'000;

  void insert(const wire::Address& address);
  [[nodiscard]] bool may_contain(const wire::Address& address) const;
  /// Exactly kSize bytes; false (and nothing happens) for any other number.
  bool merge(wire::Bytes filter);
  void merge(const BloomFilter& other) { (void)merge(other.bytes()); }

  /// How many addresses are in it, most likely.
  [[nodiscard]] double estimate() const;
  /// The standard error of estimate(), in addresses.
  [[nodiscard]] double standard_error() const;
  [[nodiscard]] std::size_t zero_bits() const;
  [[nodiscard]] bool empty() const { return zero_bits() == kSize * 8; }

  [[nodiscard]] wire::Bytes bytes() const { return bits_; }
  friend bool operator==(const BloomFilter&, const BloomFilter&) = default;

 private:
  std::array<std::uint8_t, kSize> bits_{};
};

/// What many nodes say about one swarm. An answer may lie: a filter that is fuller than a node may hold is left out.
class Scrape {
 public:
  /// A node's two filters. False when they were not used.
  bool add(wire::Bytes seeds, wire::Bytes peers);
  /// An address from a node without filters. It counts as a peer, unless some node has it among its seeds.
  void add_value(const wire::Address& address) {
    if (values_.size() < kMaxValues) values_.push_back(address);
  }

  [[nodiscard]] const BloomFilter& seeds() const { return seeds_; }
  [[nodiscard]] BloomFilter peers() const;
  /// That many nodes gave filters.
  [[nodiscard]] std::uint32_t nodes() const { return nodes_; }

 private:
  static constexpr std::size_t kMaxValues = 5'000;

  BloomFilter seeds_;
  BloomFilter peers_;
  std::vector<wire::Address> values_;
  std::uint32_t nodes_ = 0;
};

}  // namespace lodestone::dht
