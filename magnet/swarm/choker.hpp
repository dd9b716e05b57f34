// SPDX-License-Identifier: Apache-2.0
// Who may download from us (W8): a few slots, given every 10 s to those who send us most (as a seed: in turns of a
// minute, whoever has waited longest comes next, and slots nobody waits for stay with those who take fastest), and one
// slot given by lot for 30 s, so that newcomers can show what they are worth. Who snubs us (request_window) loses his
// slot to the lot (anti-snubbing). Pure: candidates in, the set of unchoked links out.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "magnet/metadata_fetch.hpp"
#include "wire/base/rng.hpp"
#include "wire/base/time.hpp"

namespace lodestone::magnet {

struct ChokeCandidate {
  LinkKey link;
  bool unchoked = false;           // now
  bool snubs_us = false;           // we ask and get nothing
  double rate_down = 0;            // bytes/s that it sends us
  double rate_up = 0;              // bytes/s that it takes
  wire::Instant unchoked_since{};  // if it is
  wire::Instant waiting_since{};   // if it is not: since it was choked, or came
  wire::Instant connected_since{};
};

/// True when a deserves a slot before b. The policy of W8 in one place.
[[nodiscard]] bool deserves_before(const ChokeCandidate& a, const ChokeCandidate& b, bool seeding, wire::Instant now);

class Choker {
 public:
  static constexpr wire::Duration kInterval = std::chrono::seconds(10);
  static constexpr wire::Duration kOptimistic = std::chrono::seconds(30);
  /// As a seed: after that much of a turn others come first.
  static constexpr wire::Duration kTurn = std::chrono::seconds(60);

  Choker(std::size_t slots, wire::Rng rng) : slots_(slots), rng_(std::move(rng)) {}

  /// Only interested peers are candidates. Returns the links to be unchoked; everybody else is to be choked.
  [[nodiscard]] std::vector<LinkKey> choose(wire::Instant now, std::span<const ChokeCandidate> candidates,
                                            bool seeding);
  [[nodiscard]] wire::Instant next_round() const { return next_round_; }
  /// A slot has become free, or somebody interested while one is: there is no reason to let it lie until the next
  /// round.
  void hurry(wire::Instant now) { next_round_ = std::min(next_round_, now); }
  [[nodiscard]] std::size_t slots() const { return slots_; }

 private:
  std::size_t slots_;
  wire::Rng rng_;
  wire::Instant next_round_ = wire::Instant::min();
  LinkKey optimistic_;
  wire::Instant optimistic_until_ = wire::Instant::min();
};

}  // namespace lodestone::magnet
