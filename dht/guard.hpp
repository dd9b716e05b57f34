// SPDX-License-Identifier: Apache-2.0
// Whom this node talks to at all (S5): addresses of its own family whose kind the policy allows, never port 0, never a
// martian, never ourselves, on whatever address of ours (BEP 45). Asked for the source of every datagram and for every
// address that somebody names. A value of a few bytes: whoever decides about addresses holds a copy.
#pragma once

#include <algorithm>
#include <span>

#include "wire/base/endpoint.hpp"

namespace lodestone::dht {

class Guard {
 public:
  /// `ours`: where we listen; it outlives the guard and all its copies.
  Guard(wire::Family family, wire::AddressPolicy policy, std::span<const wire::Endpoint> ours = {})
      : policy_(policy), family_(family), ours_(ours) {}

  [[nodiscard]] wire::Family family() const { return family_; }
  /// For nodes: as a source of datagrams and as a destination.
  [[nodiscard]] bool allows(const wire::Endpoint& e) const {
    return e.family() == family_ && policy_.allows(e) && std::find(ours_.begin(), ours_.end(), e) == ours_.end();
  }
  /// For peers found in `values` (L4): ports 0 and 1 are what placeholders and probes announce.
  [[nodiscard]] bool allows_peer(const wire::Endpoint& e) const { return e.port > 1 && allows(e); }

 private:
  wire::AddressPolicy policy_;
  wire::Family family_;
  std::span<const wire::Endpoint> ours_;
};

}  // namespace lodestone::dht
