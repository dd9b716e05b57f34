// SPDX-License-Identifier: Apache-2.0
// Memory for info dicts that are being fetched, in sum over all torrents (M1). Whoever wants to fetch a dict of a
// claimed size lines up for all of it, because two halves of which neither can grow help nobody; what it does not get
// now it gets later, first come, first served. So that claims cost liars something and honest dicts little:
//  - small claims (almost every real dict) and large ones have lanes of their own; neither can hold the other up;
//  - while others wait, a share whose bytes come slower than kPace has to be given back (must_yield), so that everybody
//    who waits comes to his turn in bounded time.
// Invariant: the granted bytes of a lane never exceed its limit, hence all together never exceed total(). Pure. The
// budget must outlive its shares and must not move.
#pragma once

#include <array>
#include <cstdint>
#include <set>

#include "wire/base/time.hpp"

namespace lodestone::magnet {

class MetadataBudget {
 public:
  static constexpr std::uint64_t kTotal = 64u << 20;
  static constexpr wire::Duration kGrace = std::chrono::seconds(10);
  static constexpr std::uint64_t kPace = 64u << 10;  // bytes/s, once the grace is over

  /// Three quarters of `total` are for large claims, one quarter is for those of at most a 32nd of it.
  explicit MetadataBudget(std::uint64_t total = kTotal);
  MetadataBudget(const MetadataBudget&) = delete;
  MetadataBudget& operator=(const MetadataBudget&) = delete;

  /// A place in line for some bytes, then these bytes. Gives back what it has when it ends. Whoever waits calls take()
  /// at least once a second or ends the share: behind a place that nobody asks for the others would wait in vain.
  class Share {
   public:
    /// 0 < bytes <= budget.largest().
    Share(MetadataBudget& budget, std::uint64_t bytes);
    ~Share();
    Share(Share&& other) noexcept;
    Share& operator=(Share&& other) noexcept;

    /// True when the bytes are granted: now or before.
    bool take(wire::Instant now);
    [[nodiscard]] bool granted() const { return granted_; }
    /// Others wait and this share, of which `fetched` bytes have come since it was granted, is too slow to let them.
    [[nodiscard]] bool must_yield(wire::Instant now, std::uint64_t fetched) const;

   private:
    void end();

    MetadataBudget* budget_;
    std::uint64_t bytes_;
    std::uint64_t number_;
    bool granted_ = false;
    wire::Instant since_{};
  };

  /// The largest claim that can ever be granted.
  [[nodiscard]] std::uint64_t largest() const { return lanes_[1].limit; }
  [[nodiscard]] std::uint64_t total() const { return lanes_[0].limit + lanes_[1].limit; }
  /// Bytes granted now.
  [[nodiscard]] std::uint64_t granted() const { return lanes_[0].granted + lanes_[1].granted; }

 private:
  struct Lane {
    std::uint64_t limit = 0, granted = 0;
    std::set<std::uint64_t> waiting;  // numbers, in order of arrival
  };
  [[nodiscard]] Lane& lane(std::uint64_t bytes) { return lanes_[bytes > small_ ? 1 : 0]; }

  std::array<Lane, 2> lanes_;  // small, large
  std::uint64_t small_;        // largest claim of the small lane
  std::uint64_t next_number_ = 0;
};

}  // namespace lodestone::magnet
