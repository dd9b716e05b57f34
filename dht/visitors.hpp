// SPDX-License-Identifier: Apache-2.0
// When a source was here last, whether it was served, and whether it has been asked in vain, as far as remembered: 4
// bytes a visitor, in sets of eight, where a newcomer takes the place of the one that was here the longest ago. Who is
// forgotten is taken for new. Sources that share a set may, once in some thousand, be taken for each other; nobody can
// bring that about, names are keyed. The memory is the caller's: bytes_for() bytes, zeroed.
#pragma once

#include <cassert>
#include <cstdint>
#include <optional>
#include <span>

#include "dht/address_names.hpp"
#include "wire/base/bytes.hpp"
#include "wire/base/prefetch.hpp"
#include "wire/base/time.hpp"

namespace lodestone::dht {

class Visitors {
 public:
  using Name = AddressNames::Name;

  [[nodiscard]] static constexpr std::size_t bytes_for(std::size_t capacity) {
    return sets_for(capacity) * kSet * sizeof(std::uint32_t);
  }
  /// `memory` is aligned to 4 bytes.
  Visitors(wire::Instant start, std::size_t capacity, wire::MutableBytes memory)
      : start_(start), slots_(reinterpret_cast<std::uint32_t*>(memory.data()), sets_for(capacity) * kSet) {
    assert(memory.size() >= bytes_for(capacity));
    assert(reinterpret_cast<std::uintptr_t>(memory.data()) % sizeof(std::uint32_t) == 0);
  }

  struct Visit {
    wire::Duration ago;  // in steps of kGrain
    bool served;
    bool failed;
  };
  /// nullopt: none is known.
  [[nodiscard]] std::optional<Visit> last(wire::Instant now, Name name) const {
    const std::uint32_t* slot = find(name);
    if (slot == nullptr) return std::nullopt;
    return Visit{age(now, *slot) * kGrain, (*slot & kServed) != 0, (*slot & kFailed) != 0};
  }
  /// It has been here in this very step of kGrain.
  [[nodiscard]] bool is_here(wire::Instant now, Name name) const {
    const std::uint32_t* slot = find(name);
    return slot != nullptr && age(now, *slot) == 0;
  }
  /// It will be asked for soon: that is fetched meanwhile.
  void prefetch(Name name) const { wire::prefetch(&slots_[set_of(name)]); }
  /// It is here now.
  void visit(wire::Instant now, Name name, bool served) {
    auto* slot = const_cast<std::uint32_t*>(find(name));
    const std::uint32_t failed = slot == nullptr ? 0 : *slot & kFailed;
    if (slot == nullptr) slot = oldest(now, name);
    *slot = std::uint32_t{tag(name)} << 16 | (served ? kServed : 0) | failed | stamp(now);
  }
  /// It has not answered; that is no visit.
  void fail(wire::Instant now, Name name) {
    auto* slot = const_cast<std::uint32_t*>(find(name));
    if (slot == nullptr) {
      slot = oldest(now, name);
      *slot = std::uint32_t{tag(name)} << 16 | ((stamp(now) - kLongAgo) & kStamp);
    }
    *slot |= kFailed;
  }
  /// It has, in the end.
  void forgive(Name name) {
    if (auto* slot = const_cast<std::uint32_t*>(find(name))) *slot &= ~kFailed;
  }

  static constexpr wire::Duration kGrain = std::chrono::seconds(16);

 private:
  static constexpr std::size_t kSet = 8;
  // A slot: 16 bits of the name, two of what was, and 14 of time.
  static constexpr std::uint32_t kServed = 0x8000;
  static constexpr std::uint32_t kFailed = 0x4000;
  static constexpr std::uint32_t kStamp = 0x3fff;
  static constexpr std::uint32_t kLongAgo = 1'000;

  [[nodiscard]] static constexpr std::size_t sets_for(std::size_t capacity) { return (capacity + kSet - 1) / kSet; }
  // Never 0, which is an empty slot. Stamps come round after three days.
  [[nodiscard]] static std::uint16_t tag(Name name) {
    const auto low = static_cast<std::uint16_t>(name);
    return low == 0 ? 1 : low;
  }
  [[nodiscard]] std::uint32_t stamp(wire::Instant now) const {
    return static_cast<std::uint32_t>((now - start_) / kGrain) & kStamp;
  }
  [[nodiscard]] std::uint32_t age(wire::Instant now, std::uint32_t slot) const { return (stamp(now) - slot) & kStamp; }
  [[nodiscard]] std::size_t set_of(Name name) const {
    return static_cast<std::size_t>((name >> 32) * (slots_.size() / kSet) >> 32) * kSet;
  }
  [[nodiscard]] const std::uint32_t* find(Name name) const {
    for (const std::uint32_t& slot : slots_.subspan(set_of(name), kSet))
      if (slot >> 16 == tag(name)) return &slot;
    return nullptr;
  }
  [[nodiscard]] std::uint32_t* oldest(wire::Instant now, Name name) {
    std::uint32_t* found = nullptr;
    for (std::uint32_t& slot : slots_.subspan(set_of(name), kSet)) {
      if (slot == 0) return &slot;
      if (found == nullptr || age(now, slot) > age(now, *found)) found = &slot;
    }
    return found;
  }

  wire::Instant start_;
  std::span<std::uint32_t> slots_;
};

}  // namespace lodestone::dht
