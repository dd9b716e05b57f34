// SPDX-License-Identifier: Apache-2.0
// How much anybody may ask of us (S4), and how many bytes go to somebody who has not shown that he lives where his
// datagrams say (S3). Each address (v6: /64) and each prefix (/24, v6: /48) has a rate of its own, so that a flooder
// empties nobody's but his own; a prefix that nobody has answered from sends us at least a fourth of what it is sent.
// Bounded tables that grow from nothing and remember nobody for whom a newcomer's start would be the same: a warm visit
// allocates nothing and hashes once.
// Invariant: to an unverified prefix go at most burst + factor times the bytes that it sent.
#pragma once

#include <cstdint>

#include "dht/recent_table.hpp"
#include "dht/standings.hpp"
#include "wire/base/endpoint.hpp"
#include "wire/base/hash.hpp"
#include "wire/base/rng.hpp"
#include "wire/base/time.hpp"

namespace lodestone::dht {

class Throttle {
 public:
  struct Rates {
    double per_address = 20;  // datagrams a second
    double address_burst = 100;
    double per_prefix = 400;
    double prefix_burst = 2'000;
    std::size_t sources = 65'536;         // addresses, and as many prefixes, that are remembered
    wire::Duration verified_for{};        // S3
    std::uint32_t unverified_burst = 0;   // bytes
    std::uint32_t unverified_factor = 0;  // bytes back for a byte sent
    bool enforced = true;                 // of the rates; a private net only keeps the books (S5)
  };
  /// What came of a charge.
  enum class Verdict : std::uint8_t { admitted, address_spent, prefix_spent };
  /// Where a source stands in the tables; good until the next visit().
  struct Visit {
    std::uint32_t address;
    std::uint32_t prefix;
  };

  Throttle(wire::Instant start, const Rates& rates, wire::Rng& rng);

  [[nodiscard]] Visit visit(wire::Instant now, const wire::Address& source);
  /// What charge() would say now, charging nothing.
  [[nodiscard]] Verdict judge(wire::Instant now, const Visit& visit) const;
  /// Takes one datagram off the rates, if both have one left.
  Verdict charge(wire::Instant now, const Visit& visit);

  /// It answered a query of ours, or echoed a token that we gave it.
  void verify(wire::Instant now, const Visit& visit);
  [[nodiscard]] bool verified(wire::Instant now, const Visit& visit) const;
  /// The bytes that may go back for a query of that size, at most `full`. The query's own share is booked here.
  [[nodiscard]] std::size_t allowance(wire::Instant now, const Visit& visit, std::size_t received, std::size_t full);
  /// So many were sent.
  void replied(wire::Instant now, const Visit& visit, std::size_t bytes);

  [[nodiscard]] std::size_t addresses() const { return addresses_.size(); }
  [[nodiscard]] std::size_t prefixes() const { return prefixes_.size(); }
  [[nodiscard]] std::uint64_t displaced() const {
    return addresses_.displaced() + prefixes_.displaced() + standings_.displaced();
  }
  /// Prefixes that are verified, or have taken more than they sent us entitles them to.
  [[nodiscard]] std::size_t standings() const { return standings_.size(); }
  void check_invariants() const;

 private:
  /// A token bucket in one number: the instant at which it will be full again. (In two halves: what holds it is packed
  /// closer then.)
  class Bucket {
   public:
    [[nodiscard]] wire::Instant full_at() const { return wire::Instant{wire::Duration{raw()}}; }
    void set(wire::Instant full_at) {
      const auto raw = static_cast<std::uint64_t>(full_at.time_since_epoch().count());
      high_ = static_cast<std::uint32_t>(raw >> 32);
      low_ = static_cast<std::uint32_t>(raw);
    }

   private:
    [[nodiscard]] std::int64_t raw() const { return static_cast<std::int64_t>(std::uint64_t{high_} << 32 | low_); }
    std::uint32_t high_ = 0x8000'0000;  // long ago
    std::uint32_t low_ = 0;
  };
  struct Rate {
    wire::Duration each{};       // one token's worth of time
    wire::Duration tolerance{};  // how far `full_at` may lie ahead for one more to be taken
    [[nodiscard]] bool spent(wire::Instant now, const Bucket& b) const {
      return b.full_at() > now && b.full_at() - now > tolerance;
    }
    void take(wire::Instant now, Bucket& b) const { b.set((b.full_at() < now ? now : b.full_at()) + each); }
  };
  struct AddressState {
    Bucket bucket;
    std::uint32_t prefix = RecentTable<int>::kNone;  // where its prefix was last
  };
  struct PrefixState {
    Bucket bucket;
  };

  [[nodiscard]] static Rate make_rate(double per_second, double burst);
  [[nodiscard]] std::uint32_t seconds(wire::Instant now) const;

  wire::Instant start_;
  Rates rates_;
  Rate address_rate_;
  Rate prefix_rate_;
  RecentTable<AddressState> addresses_;
  RecentTable<PrefixState> prefixes_;
  Standings standings_;
  std::size_t earned_ = 0;  // what may go back for the query that is being answered, and has not
};

}  // namespace lodestone::dht
