// SPDX-License-Identifier: Apache-2.0
// Nodes that replies have named and that nobody here has asked: from all over the key space, for a lookup to start from
// beside those that are verified. A few thousand queries of upkeep have told of ten times as many nodes as they
// have verified, and where two of five that are named are gone, the rest still lie several times closer to any target.
// What is in here is a claim of somebody's, no more: it is asked like any node that a reply names.
// One place for each of equal parts of the key space; the latest named has it. So nobody holds more than one place
// close to a target, however many ids he makes up for it, and memory is bounded: 26 bytes a place (v6: 38), none before
// the first is named, and four times as many whenever a quarter of them is taken, up to `most`. Used by StartingPoints
// alone.
#pragma once

#include <cstddef>
#include <cstdint>

#include "dht/contact.hpp"
#include "wire/base/bytes.hpp"
#include "wire/base/id.hpp"

namespace lodestone::dht {

class Hearsay {
 public:
  /// `most` places: 0, or a power of two, at most 2^24.
  Hearsay(wire::Family family, std::size_t most);

  /// Somebody has named it.
  void named(const Contact& contact);
  /// It has been asked, or answers under another id: whatever came of it, it is hearsay no more.
  void settled(const Contact& contact);

  /// f(const Contact&) for the `n` that are closest to the target, one a place; looks at no more than `kSteps` places.
  template <class F>
  void for_each_near(const wire::Key& target, std::size_t n, F&& f) const {
    if (memory_.empty()) return;
    const std::size_t home = place_of(target.bytes().data());
    // Places differ from the target's in their first bits: in this order, and no other, they lie ever farther away.
    for (std::size_t step = 0; step < kSteps && step < places_ && n > 0; ++step) {
      const std::uint8_t* at = record(home ^ step);
      if (empty(at)) continue;
      f(Contact::read_compact(at, family_));
      --n;
    }
  }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t bytes() const { return memory_.capacity(); }

  /// Walks all: for tests.
  void check_invariants() const;

 private:
  static constexpr std::size_t kSteps = 64;
  static constexpr std::size_t kFirst = 512;  // places

  [[nodiscard]] std::size_t place_of(const std::uint8_t* id) const { return wire::load_be32(id) >> shift_; }
  [[nodiscard]] const std::uint8_t* record(std::size_t place) const { return memory_.data() + place * stride_; }
  [[nodiscard]] std::uint8_t* record(std::size_t place) { return memory_.data() + place * stride_; }
  /// Nobody can be reached at port 0, so no contact has it.
  [[nodiscard]] bool empty(const std::uint8_t* at) const { return at[stride_ - 1] == 0 && at[stride_ - 2] == 0; }

  void make_room(std::size_t places);

  wire::Family family_;
  std::size_t most_;
  std::size_t stride_;
  std::size_t places_ = 0;
  unsigned shift_ = 0;  // of the first 32 bits of an id
  std::size_t size_ = 0;
  wire::ByteVector memory_;
};

}  // namespace lodestone::dht
