// SPDX-License-Identifier: Apache-2.0
// What is to stay announced, and when its next round is due (L3): at once when there is a contact, then every 15-25 min
// with jitter. While the table is young the closest nodes of a round may soon not be the closest any more, so a round
// is repeated early when the table has doubled or has reached k, a few seconds apart and a bounded number of times; and
// soon again, with back-off, when nobody stored it. In a tiny network (at most k contacts) whoever comes is one of the
// k closest to everything, and nobody else may be there to ask: each newcomer is told at once. Decides when; the node
// runs the lookups.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "dht/node.hpp"

namespace lodestone::dht {

class Announcer {
 public:
  explicit Announcer(const Limits& limits);

  /// Keeps it announced, from `first` on. Known hashes get the new spec and a new round then; their id stays.
  LookupId keep(Instant first, LookupId fresh_id, const InfoHash& info_hash, const AnnounceSpec& spec);
  /// The id it had.
  std::optional<LookupId> withdraw(const InfoHash& info_hash);
  void withdraw(LookupId id);
  [[nodiscard]] std::optional<AnnounceSpec> spec_of(const InfoHash& info_hash) const;

  struct Round {
    LookupId id;
    InfoHash info_hash;
    AnnounceSpec spec;
  };
  /// The next round that is due, which counts as running until finished(). None while the table is empty.
  [[nodiscard]] std::optional<Round> take_due(Instant now, std::size_t table);
  /// Ignores ids it does not know.
  void finished(Instant now, LookupId id, std::uint32_t stored, std::size_t table, wire::Rng& rng);
  /// A contact has been added; `table` are there now.
  void table_grew(Instant now, std::size_t table);
  [[nodiscard]] Instant next_deadline(std::size_t table) const;

 private:
  struct Kept {
    Round round;
    Instant next{};
    Instant ended{};             // of the last round
    std::size_t table_then = 0;  // when the last round began
    unsigned failures = 0;       // rounds in a row that nobody stored
    bool running = false;
    bool again = false;     // the spec changed while it was running
    bool newcomer = false;  // a contact has come to a tiny table since the last round began
  };
  /// The table has grown so much since the last round that its result is in doubt.
  [[nodiscard]] bool outgrown(const Kept& kept, std::size_t table) const;
  void hasten(Instant now, Kept& kept, std::size_t table) const;

  std::size_t k_;
  Duration interval_min_;
  Duration interval_max_;
  std::vector<Kept> kept_;
};

}  // namespace lodestone::dht
