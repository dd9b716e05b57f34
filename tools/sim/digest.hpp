// SPDX-License-Identifier: Apache-2.0
// A running digest of everything that was sent in a simulation: when, from where, to where, which bytes, in order. Two
// runs that send the same have the same digest; that is how "the same seed, byte for byte" is tested.
#pragma once

#include <cstdint>

#include "wire/base/bytes.hpp"
#include "wire/base/endpoint.hpp"
#include "wire/base/time.hpp"

namespace lodestone::tools::sim {

class Digest {
 public:
  void add(wire::Instant at, const wire::Endpoint& from, const wire::Endpoint& to, wire::Bytes bytes);
  [[nodiscard]] std::uint64_t value() const { return value_; }
  friend bool operator==(const Digest&, const Digest&) = default;

 private:
  std::uint64_t value_ = 0;
};

}  // namespace lodestone::tools::sim
