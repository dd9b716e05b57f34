// SPDX-License-Identifier: Apache-2.0
// How many contacts a node takes from our own other nodes: from the one of the other family, which is told of them
// (BEP 32), and from those on other addresses of this one (BEP 45). It wants some while its table is small, and asks
// them in rounds: the first ones soon after each other, but after a round that has brought nobody the next one waits
// twice as long, so that a family without a route costs next to nothing, for ever. Decides how many and when; the node
// asks, and only who answers gets into the table (T2).
#pragma once

#include <algorithm>
#include <cstddef>

#include "wire/base/time.hpp"

namespace lodestone::dht {

class Referrals {
 public:
  static constexpr std::size_t kRound = 32;  // contacts
  static constexpr wire::Duration kFirstPause = std::chrono::seconds(1);
  static constexpr wire::Duration kLongestPause = std::chrono::minutes(4);

  /// `enough`: contacts in the table that make more of them needless.
  explicit Referrals(std::size_t enough) : enough_(enough) {}

  [[nodiscard]] bool wanted(wire::Instant now, std::size_t table) const { return table < enough_ && now >= next_; }
  /// One of them is going to be asked.
  void taken(wire::Instant now) {
    if (++in_round_ < kRound) return;
    in_round_ = 0;
    next_ = now + pause_;
    pause_ = std::min(2 * pause_, kLongestPause);
  }
  /// Somebody has got into the table, however he was found: there is a way.
  void table_grew(wire::Instant now) {
    pause_ = kFirstPause;
    next_ = std::min(next_, now + kFirstPause);
  }

 private:
  std::size_t enough_;
  std::size_t in_round_ = 0;
  wire::Duration pause_ = kFirstPause;
  wire::Instant next_ = wire::Instant::min();
};

}  // namespace lodestone::dht
