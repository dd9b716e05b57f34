// SPDX-License-Identifier: Apache-2.0
// How much we ask of one peer at a time, and what we have asked (W5, W6). The window is rate x (round trip + kSlack),
// never below kFloor, never above what the peer's `reqq` admits; it grows by one per block until the rate stops rising
// (slow start). A peer that is asked and sends nothing for kPatience is snubbed: all its requests are given up and it
// is sent single probes until it delivers. Invariant: every request is live (counts, and its block belongs to this
// peer) or given up (its block may be asked of others; an answer is still taken). Pure; owned by the peer's record.
#pragma once

#include <cstdint>
#include <vector>

#include "magnet/swarm/rate.hpp"
#include "wire/base/index.hpp"
#include "wire/base/time.hpp"

namespace lodestone::magnet {

class RequestWindow {
 public:
  static constexpr std::size_t kFloor = 4;
  static constexpr std::size_t kCap = 2'000;
  static constexpr std::uint32_t kDefaultQueue = 250;  // for peers that do not say `reqq`
  static constexpr wire::Duration kPatience = std::chrono::seconds(20);
  /// A remote's scheduler and disk need a moment besides the round trip.
  static constexpr wire::Duration kSlack = std::chrono::milliseconds(100);
  static constexpr wire::Duration kGiveUp = std::chrono::seconds(60);  // one request, while others are answered

  enum class Answer : std::uint8_t { unasked, given_up, asked };

  /// What the peer's extension handshake says; 0 is nonsense and taken as 1.
  void set_peer_queue(std::uint32_t reqq);
  /// Requests that may be sent now.
  [[nodiscard]] std::size_t room() const { return live_ < size() ? size() - live_ : 0; }
  /// Worth a round of picking: refilling block by block would do the picker's work sixteen times.
  [[nodiscard]] bool wants_refill() const;
  /// Blocks, the window itself.
  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] std::size_t live() const { return live_; }

  void sent(wire::Instant now, wire::BlockRef ref);
  /// A block came.
  Answer received(wire::Instant now, wire::BlockRef ref, std::uint32_t bytes);
  /// Rejected by the peer, or cancelled by us.
  Answer forget(wire::BlockRef ref);
  /// Live or given up.
  [[nodiscard]] bool has(wire::BlockRef ref) const;
  /// Number of live requests in front of that one; live() when it is not there.
  [[nodiscard]] std::size_t position(wire::BlockRef ref) const;
  /// Choked without Fast, or gone: all requests are off. Appends the live ones.
  void clear(std::vector<wire::BlockRef>& live);
  /// Time passes: appends requests that are given up now. True when the peer has just become snubbed.
  bool advance(wire::Instant now, std::vector<wire::BlockRef>& given_up);
  /// Appends live requests that take much longer than they should, each once.
  void collect_late(wire::Instant now, std::vector<wire::BlockRef>& late);

  [[nodiscard]] bool snubbed() const { return snubbed_; }
  [[nodiscard]] bool in_slow_start() const { return slow_start_; }
  /// Smallest time between a request and its block; 0 when none has come.
  [[nodiscard]] wire::Duration rtt() const { return rtt_; }
  [[nodiscard]] double rate(wire::Instant now) const { return rate_.per_second(now); }
  /// Seconds until a request made now would be answered; a guess for peers that have sent nothing.
  [[nodiscard]] double expected_seconds(wire::Instant now, std::size_t in_front) const;
  /// Bytes asked for that cannot all be here within a second, or are still on a long road: what the budget for unstored
  /// blocks need not count (D4). 0 for young peers.
  [[nodiscard]] std::uint64_t distant_bytes(wire::Instant now) const;

  void check_invariants() const;

 private:
  enum class State : std::uint8_t { live, late, given_up, gone };
  struct Request {
    wire::BlockRef ref;
    wire::Instant sent;
    State state = State::live;
  };

  [[nodiscard]] std::size_t find(wire::BlockRef ref) const;
  Answer take(std::size_t index);
  void give_up(Request& r);
  void compact();
  void adapt(wire::Instant now, std::uint32_t bytes);

  std::vector<Request> requests_;  // in order of sending, from head_ on
  std::size_t head_ = 0;
  std::size_t live_ = 0, given_up_ = 0;
  std::size_t window_ = kFloor;
  std::size_t cap_ = kDefaultQueue;
  bool slow_start_ = true, snubbed_ = false, was_full_ = false;
  Rate rate_{std::chrono::milliseconds(125)};  // 2 s
  wire::Duration rtt_{};
  wire::Instant first_sent_ = wire::kNever;
  wire::Instant waiting_since_ = wire::kNever;  // last block, or when the first request after none was sent
  wire::Instant epoch_begin_{};                 // slow start compares the bytes of one epoch with those of the next
  std::uint64_t epoch_bytes_ = 0, last_epoch_bytes_ = 0;
};

}  // namespace lodestone::magnet
