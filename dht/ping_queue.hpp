// SPDX-License-Identifier: Apache-2.0
// Who is to be pinged when his NAT pinhole has closed (T2): endpoints in the order in which they came, each for the
// same time, each source once. 10.7 bytes of each v4 endpoint it has room for, index included: 6 and a slot of 4. When
// it fills up, chance decides who gets in, so that a crowd of strangers does not shut everybody else out.
// The memory is the caller's: bytes_for() bytes, zeroed. Invariant (check_invariants): a source is in it at most once;
// size() <= capacity; whoever comes out has waited at least `delay`.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "dht/address_index.hpp"
#include "wire/base/prefetch.hpp"
#include "wire/base/rng.hpp"
#include "wire/base/time.hpp"

namespace lodestone::dht {

class PingQueue {
 public:
  using Name = AddressNames::Name;

  [[nodiscard]] static std::size_t bytes_for(wire::Family family, std::size_t capacity);
  /// capacity >= 1; `memory` is aligned to 4 bytes.
  PingQueue(wire::Family family, std::size_t capacity, wire::Duration delay, const AddressNames& names,
            wire::MutableBytes memory);

  [[nodiscard]] std::size_t size() const { return static_cast<std::size_t>(end_ - begin_); }

  enum class Verdict : std::uint8_t { queued, here, full };
  /// The name is the endpoint's.
  Verdict push(wire::Instant now, const wire::Endpoint& endpoint, Name name, wire::Rng& rng);
  /// It will be pushed soon: both, in this order and a little apart, fetch what that reads.
  void prefetch(Name name) const { index_.prefetch(name); }
  void prefetch_endpoint(Name name) const {
    if (const Position p = index_.first_guess(name); p != AddressIndex::kNone) wire::prefetch(at(p));
  }
  /// The next one whose time has come; it is forgotten here.
  [[nodiscard]] std::optional<wire::Endpoint> take_due(wire::Instant now);
  /// When that is, within some seconds.
  [[nodiscard]] wire::Instant next_deadline() const;

  void check_invariants() const;

 private:
  using Position = AddressIndex::Position;
  // Their times are kept for all that came within so long: some hundred numbers for millions.
  static constexpr wire::Duration kGrain = std::chrono::seconds(2);
  // From this share on newcomers take their chance.
  static constexpr double kCrowded = 0.5;

  struct Group {
    wire::Instant opened;
    std::uint64_t end;  // of those that came in it
  };
  [[nodiscard]] Position position(std::uint64_t serial) const { return static_cast<Position>(serial % capacity_); }
  [[nodiscard]] std::uint8_t* at(Position p) const { return endpoints_ + p * stride_; }

  std::size_t stride_;
  std::size_t capacity_;
  wire::Duration delay_;
  AddressNames names_;
  AddressIndex index_;
  std::uint8_t* endpoints_;
  std::uint64_t begin_ = 0;  // serial numbers; the array is a circle
  std::uint64_t end_ = 0;
  std::deque<Group> groups_;
};

}  // namespace lodestone::dht
