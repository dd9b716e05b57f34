// SPDX-License-Identifier: Apache-2.0
// Where others say we are: the "ip" of their replies (BEP 42). Only used to recognise ourselves among found peers (L4)
// and to be shown, so a plain majority of the last few voters is enough; one address has one vote, and a lie costs at
// most one peer.
#pragma once

#include <array>
#include <cstddef>
#include <optional>

#include "wire/base/endpoint.hpp"

namespace lodestone::dht {

class OwnAddress {
 public:
  void vote(const wire::Endpoint& voter, const wire::Endpoint& says_we_are);
  /// More than half of the voters say that this is our address; the port is what our socket looks like from outside.
  [[nodiscard]] bool is_ours(const wire::Address& address) const;
  [[nodiscard]] bool is_ours(const wire::Endpoint& endpoint) const;
  /// That endpoint; nullopt while there is none, as behind a NAT that shows everybody another port.
  [[nodiscard]] std::optional<wire::Endpoint> endpoint() const;

 private:
  static constexpr std::size_t kVoters = 8;
  struct Vote {
    wire::Endpoint voter;
    wire::Endpoint us;
  };
  template <class Same>
  [[nodiscard]] bool majority(Same&& same) const;

  std::array<Vote, kVoters> votes_{};
  std::size_t count_ = 0;
  std::size_t next_ = 0;
};

}  // namespace lodestone::dht
