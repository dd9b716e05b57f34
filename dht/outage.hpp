// SPDX-License-Identifier: Apache-2.0
// Whether it is they who are gone, or we who cannot be heard (T5). While packets come in, a query in vain is a failure
// of whom it was sent to. With nothing heard since it was sent, the failure is held back: the next packet from anybody
// shows that it counts; enough of them, from enough places, show that we are offline, and count for nothing; and in a
// network too small to tell they count after a minute.
// Invariant: a failure that is held back counts at next_deadline() at the latest, or is forgotten because we are
// offline; only a few dozen are ever held back.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "dht/contact.hpp"
#include "wire/base/time.hpp"

namespace lodestone::dht {

class Outage {
 public:
  static constexpr std::size_t kContacts = 8;  // addresses,
  static constexpr std::size_t kPrefixes = 4;  // in so many /24s (v6: /64),
  static constexpr wire::Duration kWindow = std::chrono::seconds(60);

  /// A packet has come that answers a query of ours. True when that ends an outage.
  bool heard(wire::Instant now);
  /// A query that was sent then was in vain. True when that begins an outage.
  bool failed(wire::Instant now, const Contact& contact, wire::Instant sent);
  /// The next failure that counts, if any.
  [[nodiscard]] std::optional<Contact> take(wire::Instant now);

  [[nodiscard]] bool offline() const { return offline_; }
  /// Failures that have counted for nothing, because we were offline.
  [[nodiscard]] std::uint64_t excused() const { return excused_; }
  [[nodiscard]] wire::Instant next_deadline() const;

 private:
  // Whoever asks much of few prefixes does not fill memory with that.
  static constexpr std::size_t kMaxHeld = 64;

  struct Held {
    Contact contact;
    wire::Instant until;  // then it counts
  };
  [[nodiscard]] bool enough(wire::Instant now) const;

  bool offline_ = false;
  std::uint64_t excused_ = 0;
  wire::Instant last_heard_ = wire::Instant::min();
  std::vector<Held> held_;  // in order of `until`
};

}  // namespace lodestone::dht
