// SPDX-License-Identifier: Apache-2.0
// Whom an introducer hands out: a flat array of compact contacts, each of which has answered our ping. One per source
// (AddressNames); outside private nets none of a prefix that has its share already (PrefixShares), and those whose id
// is not one of their address (BEP 42) fill at most half of it and give way to those whose id is.
//
// Who answers stays, so that what is handed out are mostly nodes that have been there for long and will be: of those
// that join the DHT half are gone within hours, of those that have been there for a day nine in ten are there the next
// one. A newcomer takes the place of one that has gone, or of one that has not been asked for longest, as far as
// let_in() allows: else whoever never leaves would have the whole ring one day.
//
// The memory is the caller's: bytes_for() bytes, zeroed; what is not used is not touched. Invariant (check_invariants):
// [0, size()) are contacts, each in the index once; the counts are those of what is there.
#pragma once

#include <cstdint>
#include <optional>

#include "dht/address_index.hpp"
#include "dht/contact.hpp"
#include "dht/prefix_shares.hpp"
#include "wire/base/bytes.hpp"
#include "wire/base/prefetch.hpp"
#include "wire/base/rng.hpp"

namespace lodestone::dht {

class ContactRing {
 public:
  using Name = AddressNames::Name;
  using Position = AddressIndex::Position;
  static constexpr Position kNone = AddressIndex::kNone;

  /// 31.7 for each v4 node, 43.7 for v6.
  [[nodiscard]] static std::size_t bytes_for(wire::Family family, std::size_t capacity);
  /// capacity >= 1. `memory` is aligned to 4 bytes. `diverse`: off in a private net.
  ContactRing(wire::Family family, std::size_t capacity, bool diverse, const AddressNames& names,
              wire::MutableBytes memory, wire::Rng& rng);

  [[nodiscard]] wire::Family family() const { return family_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t capacity() const { return capacity_; }
  /// Of these, whose id is not one of their address.
  [[nodiscard]] std::size_t others() const { return others_; }

  /// Where the source of that (compact) endpoint is, or kNone.
  [[nodiscard]] Position find(Name name, const std::uint8_t* endpoint) const;
  /// It will be looked for soon: both, in this order and a little apart, fetch what that reads.
  void prefetch(Name name) const { index_.prefetch(name); }
  void prefetch_contact(Name name) const {
    if (const Position p = index_.first_guess(name); p != kNone) wire::prefetch(endpoint_at(p));
  }
  [[nodiscard]] const std::uint8_t* at(Position p) const { return contacts_ + p * stride_; }
  [[nodiscard]] Contact contact(Position p) const { return Contact::read_compact(at(p), family_); }

  enum class Verdict : std::uint8_t {
    added,      // at the end,
    displaced,  // or in the place of another one
    renewed,    // it is here
    // and not:
    taken,     // another port of that address is here, and has not been silent
    full,      // nobody gives way
    crowded,   // its prefix has its share
    unproven,  // its id is not one of its address, and enough such are here
  };
  /// It has answered us. The name is that of its endpoint.
  Verdict answered(const Contact& contact, Name name);
  /// Where the last newcomer was put, if it was.
  [[nodiscard]] Position newest() const { return newest_; }

  /// How often it has been asked since it answered last, at most 3.
  [[nodiscard]] int tries(Position p) const { return states_[p] & kTries; }
  void asked(Position p) { states_[p] = static_cast<std::uint8_t>(states_[p] + (tries(p) < kTries ? 1 : 0)); }
  /// None of these questions counts.
  void excuse(Position p) { states_[p] &= static_cast<std::uint8_t>(~kTries); }
  /// It is gone; the last one takes its place, as one that has not been asked.
  void remove(Position p);

  /// Contacts behind each other in memory; `second` begins where the array does.
  struct Slice {
    wire::Bytes first, second;
  };
  /// The next n, or all.
  [[nodiscard]] Slice take(std::size_t n);

  struct Run {
    Position begin = 0;
    std::uint32_t count = 0;
  };
  /// The next ones that are to be asked again, at most n.
  [[nodiscard]] Run walk(std::size_t n);
  /// So many newcomers may take the place of others while the ring is full; what is not used within a few dozen lapses.
  void let_in(std::uint32_t n);

  /// All of it, as it lies in memory.
  [[nodiscard]] wire::Bytes contacts() const { return {contacts_, size_ * stride_}; }
  void check_invariants() const;

 private:
  static constexpr std::uint8_t kTries = 3;
  static constexpr std::uint8_t kOther = 4;  // its id is not one of its address

  [[nodiscard]] const std::uint8_t* endpoint_at(Position p) const { return at(p) + wire::NodeId::kSize; }
  [[nodiscard]] Name name_at(Position p) const { return names_.of(endpoint_at(p)); }
  [[nodiscard]] bool is_other(Position p) const { return (states_[p] & kOther) != 0; }
  [[nodiscard]] bool may_be_other() const { return others_ < capacity_ / 2; }
  [[nodiscard]] Position who_gives_way(bool other);
  [[nodiscard]] Position next_other();
  void put(Position p, const std::uint8_t* compact, bool other);
  void forget(Position p);
  Verdict renew(Position p, const std::uint8_t* compact, bool other);

  wire::Family family_;
  std::size_t stride_;
  std::size_t capacity_;
  bool diverse_;
  AddressNames names_;
  AddressIndex index_;
  std::uint8_t* contacts_;
  std::uint8_t* states_;
  PrefixShares shares_;
  std::size_t size_ = 0;
  std::size_t others_ = 0;
  Position newest_ = kNone;
  std::size_t handed_ = 0;  // the next slice begins there
  std::size_t walked_ = 0;  // and the next run
  std::size_t sought_ = 0;  // an other one was looked for up to there
  std::uint32_t let_in_ = 0;
};

}  // namespace lodestone::dht
