// SPDX-License-Identifier: Apache-2.0
// What each prefix owes us, or has shown us (S3), in 12 bytes: only of those that owe or have shown something, so that
// most strangers take no room. A prefix is known here by a name of 32 bits, drawn from it under a key: two may share
// one by accident, and then their standing, but nobody can bring that about. Open addressing, grows from nothing; what
// has run out is dropped when room is needed, and of too many one in eight. Invariant (check_invariants): size() <=
// max; from where an entry belongs to where it is no place is empty.
#pragma once

#include <cassert>
#include <cstdint>
#include <vector>

#include "wire/base/prefetch.hpp"

namespace lodestone::dht {

struct Standing {
  std::uint32_t verified_until = 0;  // seconds
  std::uint32_t spent = 0;           // bytes of the burst that are gone

  [[nodiscard]] bool idle(std::uint32_t now) const { return spent == 0 && verified_until <= now; }
};

class Standings {
 public:
  /// max >= 8.
  explicit Standings(std::size_t max) : max_(max) { assert(max >= 8); }

  [[nodiscard]] std::size_t size() const { return size_; }
  /// How many were dropped that had not run out.
  [[nodiscard]] std::uint64_t displaced() const { return displaced_; }
  /// Memory that is held.
  [[nodiscard]] std::size_t bytes() const { return places_.capacity() * sizeof(Place); }

  /// nullptr: none, which is as good as Standing{}. Good until the next make().
  [[nodiscard]] Standing* find(std::uint32_t name) {
    if (places_.empty()) return nullptr;
    Place& p = places_[place_of(real(name))];
    return p.name == kEmpty ? nullptr : &p.standing;
  }
  /// It will be asked for soon: its place is fetched meanwhile.
  void prefetch(std::uint32_t name) const {
    if (!places_.empty()) wire::prefetch(&places_[home_of(real(name))]);
  }
  [[nodiscard]] const Standing* find(std::uint32_t name) const { return const_cast<Standings*>(this)->find(name); }
  /// Made if there is none. `now` says which of the others have run out.
  [[nodiscard]] Standing& make(std::uint32_t name, std::uint32_t now) {
    if (Standing* known = find(name)) return *known;
    // At most four fifths are taken.
    if (5 * (size_ + 1) > 4 * places_.size() || size_ >= max_) rebuild(now);
    Place& p = places_[place_of(real(name))];
    p = {real(name), {}};
    ++size_;
    return p.standing;
  }

  void check_invariants() const {
    [[maybe_unused]] std::size_t taken = 0;
    for (std::size_t i = 0; i < places_.size(); ++i) {
      if (places_[i].name == kEmpty) continue;
      ++taken;
      assert(place_of(places_[i].name) == i);
    }
    assert(taken == size_ && size_ <= max_);
  }

 private:
  static constexpr std::uint32_t kEmpty = 0;

  struct Place {
    std::uint32_t name = kEmpty;
    Standing standing;
  };

  [[nodiscard]] static std::uint32_t real(std::uint32_t name) { return name == kEmpty ? 1 : name; }
  [[nodiscard]] std::size_t home_of(std::uint32_t name) const {
    return static_cast<std::size_t>(std::uint64_t{name} * places_.size() >> 32);
  }
  /// Where it is, or the empty place where it would be. There always is an empty one.
  [[nodiscard]] std::size_t place_of(std::uint32_t name) const {
    std::size_t i = home_of(name);
    while (places_[i].name != kEmpty && places_[i].name != name)
      if (++i == places_.size()) i = 0;
    return i;
  }
  /// Without those that have run out, and with room for more than a few new ones.
  void rebuild(std::uint32_t now) {
    std::vector<Place> before;
    before.swap(places_);
    std::size_t kept = 0;
    for (const Place& p : before) kept += stays(p, now);
    const bool crowded = kept >= max_;
    places_.resize(8 + kept + kept * 2 / 5);
    size_ = 0;
    for (const Place& p : before) {
      if (!stays(p, now)) continue;
      if (crowded && (p.name & 7) == (round_ & 7)) {
        ++displaced_;
        continue;
      }
      places_[place_of(p.name)] = p;
      ++size_;
    }
    if (crowded) ++round_;
    // Names are random; where none of them was that unlucky, another turn is.
    if (size_ >= max_) rebuild(now);
  }
  [[nodiscard]] static bool stays(const Place& p, std::uint32_t now) {
    return p.name != kEmpty && !p.standing.idle(now);
  }

  std::size_t max_;
  std::size_t size_ = 0;
  std::uint32_t round_ = 0;
  std::uint64_t displaced_ = 0;
  std::vector<Place> places_;
};

}  // namespace lodestone::dht
