// SPDX-License-Identifier: Apache-2.0
// Finds positions of an array by name (AddressNames): open addressing in slots of 32 bits, 85 in 100 of them taken when
// it is full, linear probing, no tombstones. A slot is a position plus one, and in the bits that positions leave over a
// piece of the name, so that others are hardly ever looked at. Zero is an empty slot: zeroed memory is an empty index,
// and memory that has never been touched need not be there. The owner of the array names its elements again where one
// is taken out. Invariant (check_invariants): between a slot and where its name belongs none is empty.
#pragma once

#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <span>

#include "dht/address_names.hpp"
#include "wire/base/prefetch.hpp"

namespace lodestone::dht {

class AddressIndex {
 public:
  using Name = AddressNames::Name;
  using Position = std::uint32_t;
  static constexpr Position kNone = 0xffff'ffff;

  static constexpr std::size_t kSlotBytes = sizeof(std::uint32_t);
  /// Always more than `capacity`, so that an empty one ends each search.
  [[nodiscard]] static constexpr std::size_t slots_for(std::size_t capacity) {
    return capacity + capacity * 3 / 17 + 1;
  }
  /// slots_for(capacity) slots, all zero; positions are below `capacity`, which is at most 2^31.
  AddressIndex(std::span<std::uint32_t> slots, std::size_t capacity)
      : slots_(slots), mask_(static_cast<std::uint32_t>(std::bit_ceil(capacity + 1) - 1)) {
    assert(slots.size() == slots_for(capacity) && capacity < kNone / 2);
  }

  /// same(position): it is the one that is looked for.
  template <class Same>
  [[nodiscard]] Position find(Name name, Same&& same) const {
    for (std::size_t i = home_of(name); slots_[i] != 0; i = next(i)) {
      if ((slots_[i] & ~mask_) == tag_of(name) && same(position_in(i))) return position_in(i);
    }
    return kNone;
  }
  /// It will be looked for soon: what that reads first is fetched meanwhile.
  void prefetch(Name name) const { wire::prefetch(&slots_[home_of(name)]); }
  /// The position that find() looks at first, if that has been fetched; kNone: none.
  [[nodiscard]] Position first_guess(Name name) const {
    for (std::size_t i = home_of(name); slots_[i] != 0; i = next(i))
      if ((slots_[i] & ~mask_) == tag_of(name)) return position_in(i);
    return kNone;
  }
  /// A name that is not here.
  void insert(Name name, Position position) {
    std::size_t i = home_of(name);
    while (slots_[i] != 0) i = next(i);
    slots_[i] = tag_of(name) | (position + 1);
  }
  /// That position, which is here under that name, is another one now.
  void move(Name name, Position from, Position to) { slots_[slot_of(name, from)] = tag_of(name) | (to + 1); }
  /// Those behind it are moved closer to where they belong. name_of(position): what is there is called.
  template <class NameOf>
  void erase(Name name, Position position, NameOf&& name_of) {
    std::size_t hole = slot_of(name, position);
    for (std::size_t i = next(hole); slots_[i] != 0; i = next(i)) {
      const std::size_t home = home_of(name_of(position_in(i)));
      // It may move into the hole unless it belongs behind that: between the hole and where it is.
      const bool stays = hole <= i ? hole < home && home <= i : hole < home || home <= i;
      if (stays) continue;
      slots_[hole] = slots_[i];
      hole = i;
    }
    slots_[hole] = 0;
  }

  /// `count` positions are here, each under the name that name_of(position) says.
  template <class NameOf>
  void check_invariants([[maybe_unused]] std::size_t count, [[maybe_unused]] NameOf&& name_of) const {
    [[maybe_unused]] std::size_t taken = 0;
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      if (slots_[i] == 0) continue;
      ++taken;
      assert(slot_of(name_of(position_in(i)), position_in(i)) == i);
    }
    assert(taken == count);
  }

 private:
  [[nodiscard]] std::size_t home_of(Name name) const {
    return static_cast<std::size_t>((name >> 32) * slots_.size() >> 32);
  }
  [[nodiscard]] std::uint32_t tag_of(Name name) const { return static_cast<std::uint32_t>(name) & ~mask_; }
  [[nodiscard]] std::size_t next(std::size_t i) const { return i + 1 == slots_.size() ? 0 : i + 1; }
  [[nodiscard]] Position position_in(std::size_t i) const { return (slots_[i] & mask_) - 1; }
  [[nodiscard]] std::size_t slot_of(Name name, Position position) const {
    std::size_t i = home_of(name);
    while ((slots_[i] & mask_) != position + 1) {
      assert(slots_[i] != 0);
      i = next(i);
    }
    return i;
  }

  std::span<std::uint32_t> slots_;
  std::uint32_t mask_;
};

}  // namespace lodestone::dht
