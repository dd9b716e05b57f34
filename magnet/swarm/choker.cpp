// SPDX-License-Identifier: Apache-2.0
#include "magnet/swarm/choker.hpp"

#include <algorithm>

namespace lodestone::magnet {
namespace {

/// A newcomer has three lots in the draw (BEP 3): it cannot have shown anything yet.
constexpr std::uint64_t kNewcomerLots = 3;
constexpr wire::Duration kNewcomer = std::chrono::seconds(60);

std::uint64_t lots(const ChokeCandidate& c, wire::Instant now) {
  return now - c.connected_since < kNewcomer ? kNewcomerLots : 1;
}

}  // namespace

bool deserves_before(const ChokeCandidate& a, const ChokeCandidate& b, bool seeding, wire::Instant now) {
  if (seeding) {
    const auto rank = [now](const ChokeCandidate& c) {
      if (!c.unchoked) return 1;
      return now - c.unchoked_since < Choker::kTurn ? 0 : 2;
    };
    if (rank(a) != rank(b)) return rank(a) < rank(b);
    if (!a.unchoked && a.waiting_since != b.waiting_since) return a.waiting_since < b.waiting_since;
    if (a.rate_up != b.rate_up) return a.rate_up > b.rate_up;
  } else {
    if (a.snubs_us != b.snubs_us) return b.snubs_us;
    if (a.rate_down != b.rate_down) return a.rate_down > b.rate_down;
  }
  // Between equals whoever has the slot keeps it: choking and unchoking costs both a round trip.
  if (a.unchoked != b.unchoked) return a.unchoked;
  return a.connected_since < b.connected_since;
}

std::vector<LinkKey> Choker::choose(wire::Instant now, std::span<const ChokeCandidate> candidates, bool seeding) {
  next_round_ = now + kInterval;
  std::vector<const ChokeCandidate*> ranked;
  ranked.reserve(candidates.size());
  for (const ChokeCandidate& c : candidates) ranked.push_back(&c);
  std::stable_sort(ranked.begin(), ranked.end(), [&](const ChokeCandidate* a, const ChokeCandidate* b) {
    return deserves_before(*a, *b, seeding, now);
  });

  std::vector<LinkKey> out;
  if (slots_ == 0) return out;
  std::vector<const ChokeCandidate*> rest;
  const std::size_t regular = slots_ > 1 ? slots_ - 1 : 0;
  for (const ChokeCandidate* c : ranked) {
    // The optimistic one is served from its own slot as long as its time lasts.
    const bool lucky = c->link == optimistic_ && now < optimistic_until_;
    if (lucky || out.size() >= regular || (c->snubs_us && !seeding))
      rest.push_back(c);
    else
      out.push_back(c->link);
  }

  // What is left, the optimistic slot and those that nobody earned, is given by lot.
  bool first = true;
  while (out.size() < slots_ && !rest.empty()) {
    std::size_t chosen = rest.size();
    if (first && now < optimistic_until_)
      for (std::size_t i = 0; i < rest.size(); ++i)
        if (rest[i]->link == optimistic_) chosen = i;
    if (chosen == rest.size()) {
      std::uint64_t total = 0;
      for (const ChokeCandidate* c : rest) total += lots(*c, now);
      std::uint64_t ticket = rng_.below(total);
      for (chosen = 0; ticket >= lots(*rest[chosen], now); ++chosen) ticket -= lots(*rest[chosen], now);
      if (first) {
        optimistic_ = rest[chosen]->link;
        optimistic_until_ = now + kOptimistic;
      }
    }
    first = false;
    out.push_back(rest[chosen]->link);
    rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(chosen));
  }
  return out;
}

}  // namespace lodestone::magnet
