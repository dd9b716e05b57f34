// SPDX-License-Identifier: Apache-2.0
// Generational slab: values live in stable slots and are named by keys that go stale when the value is erased. A stale
// key finds nullptr, never somebody else's value: this is what the house uses instead of shared pointers.
#pragma once

#include <cassert>
#include <compare>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

namespace lodestone::wire {

template <class Tag>
struct SlabKey {
  std::uint32_t slot = 0xffffffff;
  std::uint32_t generation = 0;
  [[nodiscard]] bool valid() const { return slot != 0xffffffff; }
  friend constexpr auto operator<=>(const SlabKey&, const SlabKey&) = default;
};

template <class T, class Tag>
class Slab {
 public:
  using Key = SlabKey<Tag>;

  template <class... Args>
  Key emplace(Args&&... args) {
    std::uint32_t slot;
    if (free_.empty()) {
      slot = static_cast<std::uint32_t>(slots_.size());
      slots_.emplace_back();
    } else {
      slot = free_.back();
      free_.pop_back();
    }
    slots_[slot].value.emplace(std::forward<Args>(args)...);
    ++size_;
    return Key{slot, slots_[slot].generation};
  }
  [[nodiscard]] T* find(Key key) {
    if (key.slot >= slots_.size() || slots_[key.slot].generation != key.generation) return nullptr;
    auto& v = slots_[key.slot].value;
    return v ? &*v : nullptr;
  }
  [[nodiscard]] const T* find(Key key) const { return const_cast<Slab*>(this)->find(key); }
  /// False when the key was stale.
  bool erase(Key key) {
    if (find(key) == nullptr) return false;
    ++slots_[key.slot].generation;
    slots_[key.slot].value.reset();
    free_.push_back(key.slot);
    --size_;
    return true;
  }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }

  /// f(Key, T&) in slot order. f may erase the value it was given, no other.
  template <class F>
  void for_each(F&& f) {
    for (std::uint32_t i = 0; i < slots_.size(); ++i)
      if (slots_[i].value) f(Key{i, slots_[i].generation}, *slots_[i].value);
  }
  template <class F>
  void for_each(F&& f) const {
    for (std::uint32_t i = 0; i < slots_.size(); ++i)
      if (slots_[i].value) f(Key{i, slots_[i].generation}, *slots_[i].value);
  }

 private:
  struct Slot {
    std::optional<T> value;
    std::uint32_t generation = 0;
  };
  std::deque<Slot> slots_;  // a deque: addresses stay while the slab grows
  std::vector<std::uint32_t> free_;
  std::size_t size_ = 0;
};

}  // namespace lodestone::wire

template <class Tag>
struct std::hash<lodestone::wire::SlabKey<Tag>> {
  std::size_t operator()(const lodestone::wire::SlabKey<Tag>& k) const noexcept {
    return (std::size_t{k.generation} << 32 | k.slot) * 0x9e3779b97f4a7c15ULL;
  }
};
