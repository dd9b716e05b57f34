// SPDX-License-Identifier: Apache-2.0
// Which address others see us under: the "ip" of replies to our queries, counted so that it is safe to draw an id from
// it (T1, BEP 42). One vote per /16 (v6: /32) of the voters, only for global addresses; a quorum and a clear majority
// for the first answer, more of both and some time for another one (hysteresis): an id that follows every rumour is
// worth less than a wrong one.
// Invariant: bounded; votes of the same prefix replace each other; old ones do not count.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "wire/base/endpoint.hpp"
#include "wire/base/time.hpp"

namespace lodestone::dht {

class AddressVotes {
 public:
  /// Distinct prefixes that must agree on a first address, and on another one.
  static constexpr std::size_t kQuorum = 6;
  static constexpr std::size_t kQuorumToChange = 10;
  /// So long the majority for another address must last.
  static constexpr wire::Duration kSettle = std::chrono::minutes(5);
  static constexpr wire::Duration kVoteExpiry = std::chrono::minutes(30);

  void vote(wire::Instant now, const wire::Address& voter, const wire::Address& says_we_are);
  /// The address that is agreed on; nullopt until there is one.
  [[nodiscard]] const std::optional<wire::Address>& agreed() const { return agreed_; }

 private:
  static constexpr std::size_t kVoters = 48;
  struct Vote {
    std::uint32_t prefix;  // its first four bytes are all it has
    std::uint32_t at;      // seconds
    std::uint8_t claim;    // which of claims_
  };
  struct Leader {
    wire::Address address;
    std::size_t votes = 0;
    std::size_t all = 0;
  };
  void put(wire::Instant now, std::uint32_t prefix, const wire::Address& us);
  /// Where in claims_ that address is from now on.
  [[nodiscard]] std::uint8_t claim(const wire::Address& us);
  [[nodiscard]] std::optional<Leader> leader(wire::Instant now) const;
  void judge(wire::Instant now);

  std::vector<Vote> votes_;
  std::vector<wire::Address> claims_;  // most voters say the same; some may be nobody's by now
  std::optional<wire::Address> agreed_;
  std::optional<wire::Address> challenger_;
  wire::Instant challenged_at_{};
};

}  // namespace lodestone::dht
