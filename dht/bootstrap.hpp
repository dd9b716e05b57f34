// SPDX-License-Identifier: Apache-2.0
// When to join, and through whom (T9): lookups for our own id over the introducers, at once when there are new ones or
// the first node has answered, then with back-off and jitter for as long as the table is nearly empty - for ever, if
// need be. Decides; the node runs the lookup. Cannot get stuck: whenever the table is small and somebody could be
// asked, either a join is running or next_deadline() is a real time.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "wire/base/endpoint.hpp"
#include "wire/base/rng.hpp"
#include "wire/base/time.hpp"

namespace lodestone::dht {

class Bootstrap {
 public:
  /// `enough`: contacts that make the table not nearly empty.
  explicit Bootstrap(std::size_t enough) : enough_(enough) {}

  /// True when it was not known yet; a join is due then, unless the table has enough: peers name introducers as often
  /// as they like (PORT), and that must not cost a lookup each. The first ones are kept for ever, for the same reason:
  /// they are those that the user or the last run named.
  bool add(wire::Instant now, const wire::Endpoint& introducer, std::size_t table);
  /// So many have given way to newer ones.
  [[nodiscard]] std::uint64_t displaced() const { return displaced_; }
  /// The table has its first contact: now is the time.
  void first_contact(wire::Instant now);
  /// A contact was lost; `table` are left.
  void table_shrank(wire::Instant now, std::size_t table);

  [[nodiscard]] bool running() const { return running_; }
  /// A join is due and none is running.
  [[nodiscard]] bool due(wire::Instant now) const { return next_deadline() <= now; }
  void started() { running_ = true; }
  void finished(wire::Instant now, std::size_t table, wire::Rng& rng);
  [[nodiscard]] wire::Instant next_deadline() const { return running_ ? wire::kNever : next_; }

  /// Introducers for the next lookup: all if they are few, else some, in turn.
  [[nodiscard]] std::vector<wire::Endpoint> batch();

 private:
  static constexpr std::size_t kMaxIntroducers = 256;
  static constexpr std::size_t kKept = 64;
  static constexpr std::size_t kBatch = 32;

  [[nodiscard]] bool nobody_to_ask(std::size_t table) const { return table == 0 && introducers_.empty(); }

  std::size_t enough_;
  bool running_ = false;
  bool again_ = false;  // something new came while one was running
  unsigned attempts_ = 0;
  wire::Instant next_ = wire::kNever;
  std::size_t turn_ = 0;
  std::size_t oldest_ = kKept;  // of those that give way
  std::uint64_t displaced_ = 0;
  std::vector<wire::Endpoint> introducers_;
};

}  // namespace lodestone::dht
