// SPDX-License-Identifier: Apache-2.0
// Whom this node talks to at all (S5): addresses of its own family whose kind the policy allows, never port 0, never a
// martian. Asked for the source of every datagram and for every address that somebody names. A value of a few bytes:
// whoever decides about addresses holds a copy.
#pragma once

#include "wire/base/endpoint.hpp"

namespace lodestone::dht {

class Guard {
 public:
  Guard(wire::Family family, wire::AddressPolicy policy) : policy_(policy), family_(family) {}

  [[nodiscard]] wire::Family family() const { return family_; }
  /// For nodes: as a source of datagrams and as a destination.
  [[nodiscard]] bool allows(const wire::Endpoint& e) const { return e.family() == family_ && policy_.allows(e); }
  /// For peers found in `values` (L4): ports 0 and 1 are what placeholders and probes announce.
  [[nodiscard]] bool allows_peer(const wire::Endpoint& e) const { return e.port > 1 && allows(e); }

 private:
  wire::AddressPolicy policy_;
  wire::Family family_;
};

}  // namespace lodestone::dht
