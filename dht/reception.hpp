// SPDX-License-Identifier: Apache-2.0
// How a query is let in and answered within what its source is entitled to (S3, S4): the same for a Node and for a
// Front, each with a Throttle of its own.
#pragma once

#include <cstddef>
#include <limits>
#include <utility>

#include "dht/counters.hpp"
#include "dht/node.hpp"
#include "dht/throttle.hpp"
#include "wire/base/datagram.hpp"
#include "wire/base/time.hpp"

namespace lodestone::dht {

[[nodiscard]] inline Throttle::Rates rates_of(const NodeConfig& config) {
  const Limits& l = config.limits;
  return {l.address_rate, l.address_burst,    l.prefix_rate,       l.prefix_burst,     l.throttled_sources,
          l.verified_for, l.unverified_burst, l.unverified_factor, !config.private_net};
}

/// Whether it may be looked at; counts why not.
[[nodiscard]] inline bool admitted(Throttle::Verdict verdict, Counters& counters) {
  counters.throttled_address += verdict == Throttle::Verdict::address_spent;
  counters.throttled_prefix += verdict == Throttle::Verdict::prefix_spent;
  return verdict == Throttle::Verdict::admitted;
}

/// answer(room) appends at most one datagram of at most that many bytes to `out`, and says whether the source has shown
/// that it is there; `received` is what the query was long.
template <class Answer>
void answer_within(wire::Instant now, Throttle& throttle, const Throttle::Visit& visit, std::size_t received,
                   wire::DatagramBatch& out, Counters& counters, Answer&& answer) {
  constexpr std::size_t kNoLimit = std::numeric_limits<std::size_t>::max();
  const std::size_t before = out.size();
  const std::size_t room = throttle.allowance(now, visit, received, kNoLimit);
  const bool verified = room == kNoLimit;
  if (std::forward<Answer>(answer)(room)) throttle.verify(now, visit);  // it has echoed a token that we sent it
  if (verified) return;
  std::size_t sent = 0;
  for (std::size_t i = before; i < out.size(); ++i) sent += out.entries()[i].size;
  throttle.replied(now, visit, sent);
  ++(sent != 0 ? counters.answered_unverified : counters.unanswered_unverified);
}

}  // namespace lodestone::dht
