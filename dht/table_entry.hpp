// SPDX-License-Identifier: Apache-2.0
// A contact as the routing table keeps it, 40 bytes (v6: 52), and a bucket's worth of them side by side. A table is of
// one family, so that an entry holds its id and endpoint the way they are sent, and is shown without being translated.
// Invariant: all entries of one TableEntries are of its family; its memory is in proportion to what is in it. Who only
// ever inserts by id() finds them in that order.
#pragma once

#include <algorithm>
#include <cassert>
#include <cstdint>
#include <cstring>
#include <memory>
#include <type_traits>

#include "dht/client_version.hpp"
#include "dht/contact.hpp"
#include "wire/base/time.hpp"

namespace lodestone::dht {

/// What follows the last member of a v6 entry is more of its endpoint: an entry is only ever handled by reference, and
/// made as a NewTableEntry.
class TableEntry {
 public:
  std::uint32_t first_seen = 0;  // seconds since the table was made
  std::uint32_t last_seen = 0;   // its last reply to us, likewise
  ClientVersion version{};       // as it said last

  [[nodiscard]] static constexpr std::size_t size(wire::Family f) {
    return sizeof(TableEntry) + Contact::compact_size(f) - Contact::compact_size(wire::Family::v4);
  }
  [[nodiscard]] wire::Family family() const { return (state_ & kIsV6) != 0 ? wire::Family::v6 : wire::Family::v4; }

  /// As it is sent: 26 or 38 bytes.
  [[nodiscard]] wire::Bytes compact() const { return {compact_begin(), Contact::compact_size(family())}; }
  [[nodiscard]] wire::NodeId id() const { return *wire::NodeId::from_bytes({compact_begin(), wire::NodeId::kSize}); }
  [[nodiscard]] wire::Endpoint endpoint() const {
    return *wire::Endpoint::from_compact(compact().subspan(wire::NodeId::kSize));
  }
  [[nodiscard]] Contact contact() const { return Contact::read_compact(compact_begin(), family()); }

  // For those who ask about many: the same, without taking it out.
  [[nodiscard]] bool has_id(const wire::NodeId& id) const {
    return std::memcmp(compact_begin(), id.bytes().data(), wire::NodeId::kSize) == 0;
  }
  [[nodiscard]] std::uint64_t id_begin() const { return wire::load_be64(compact_begin()); }
  [[nodiscard]] std::uint32_t address_begin() const { return wire::load_be32(compact_begin() + wire::NodeId::kSize); }

  [[nodiscard]] bool good() const { return (state_ & kFailed) == 0; }
  void set_good(bool good) {
    state_ = static_cast<std::uint16_t>(good ? state_ & ~unsigned{kFailed} : state_ | unsigned{kFailed});
  }
  /// Smoothed; 0: unknown.
  [[nodiscard]] unsigned rtt_ms() const { return state_ & kLongest; }
  [[nodiscard]] wire::Duration rtt() const { return std::chrono::milliseconds(rtt_ms()); }
  void set_rtt_ms(unsigned ms) {
    state_ = static_cast<std::uint16_t>((state_ & ~unsigned{kLongest}) | std::min<unsigned>(ms, kLongest));
  }

 protected:
  TableEntry() = default;
  TableEntry(const TableEntry&) = default;
  TableEntry& operator=(const TableEntry&) = default;

  [[nodiscard]] const std::uint8_t* compact_begin() const {
    return reinterpret_cast<const std::uint8_t*>(this) + kCompact;
  }

  // The failure before this one put it out.
  static constexpr std::uint16_t kFailed = 0x8000;
  static constexpr std::uint16_t kIsV6 = 0x4000;
  static constexpr std::uint16_t kLongest = 0x3fff;
  static constexpr std::size_t kCompact = 14;

  std::uint16_t state_ = 0;
  std::uint8_t compact_[Contact::compact_size(wire::Family::v4)] = {};
};
static_assert(sizeof(TableEntry) <= 40 && std::is_trivially_copyable_v<TableEntry>);

/// One that is in no table yet.
class NewTableEntry : public TableEntry {
 public:
  NewTableEntry(const Contact& contact, std::uint32_t now, unsigned rtt_ms) {
    first_seen = last_seen = now;
    if (contact.endpoint.family() == wire::Family::v6) state_ = kIsV6;
    set_rtt_ms(rtt_ms);
    contact.write_compact(reinterpret_cast<std::uint8_t*>(this) + kCompact);
  }
  NewTableEntry(const NewTableEntry&) = delete;
  NewTableEntry& operator=(const NewTableEntry&) = delete;

 private:
  static_assert(sizeof(TableEntry) == kCompact + Contact::compact_size(wire::Family::v4));
  [[maybe_unused]] std::uint8_t more_[TableEntry::size(wire::Family::v6) - sizeof(TableEntry)] = {};
};

class TableEntries {
 public:
  explicit TableEntries(wire::Family family) : stride_(static_cast<std::uint8_t>(TableEntry::size(family))) {}

  [[nodiscard]] std::size_t size() const { return size_; }
  /// Memory that is held.
  [[nodiscard]] std::size_t bytes() const { return std::size_t{capacity_} * stride_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] TableEntry& operator[](std::size_t i) { return *at(i); }
  [[nodiscard]] const TableEntry& operator[](std::size_t i) const { return *at(i); }

  class Iterator {
   public:
    Iterator(const std::uint8_t* at, std::size_t stride) : at_(at), stride_(stride) {}
    const TableEntry& operator*() const { return *reinterpret_cast<const TableEntry*>(at_); }
    Iterator& operator++() {
      at_ += stride_;
      return *this;
    }
    friend bool operator==(const Iterator& a, const Iterator& b) { return a.at_ == b.at_; }

   private:
    const std::uint8_t* at_;
    std::size_t stride_;
  };
  // What is in here is changed by index.
  [[nodiscard]] Iterator begin() const { return {memory_.get(), stride_}; }
  [[nodiscard]] Iterator end() const { return {memory_.get() + std::size_t{size_} * stride_, stride_}; }

  // The entry may not be one of these.
  void push_back(const TableEntry& entry) { insert(size_, entry); }
  /// In order of ids, if the others are.
  void insert_sorted(const TableEntry& entry) { insert(place_of(entry.id()), entry); }
  /// Of entries in order of ids: the first that is not below this one.
  [[nodiscard]] std::size_t place_of(const wire::NodeId& id) const {
    const std::uint64_t begin = wire::load_be64(id.bytes().data());
    std::size_t low = first_not_below(0, size_, begin);
    while (low < size_ && at(low)->id_begin() == begin && at(low)->id() < id) ++low;
    return low;
  }
  /// Likewise, in [low, high), by the first 64 bits only.
  [[nodiscard]] std::size_t first_not_below(std::size_t low, std::size_t high, std::uint64_t begin) const {
    for (std::size_t n = high - low; n > 0;) {
      const std::size_t half = n / 2;
      const bool below = at(low + half)->id_begin() < begin;
      low = below ? low + half + 1 : low;
      n = below ? n - half - 1 : half;
    }
    return low;
  }
  /// The others keep their order.
  void erase(std::size_t i) {
    assert(i < size_);
    std::memmove(static_cast<void*>(at(i)), at(i + 1), (size_ - i - 1u) * stride_);
    --size_;
    fit();
  }
  /// Drops all for which drop(const TableEntry&) is true; how many they were.
  template <class Drop>
  std::size_t erase_if(Drop&& drop) {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < size_; ++i) {
      if (drop(static_cast<const TableEntry&>(*at(i)))) continue;
      if (kept != i) std::memcpy(static_cast<void*>(at(kept)), at(i), stride_);
      ++kept;
    }
    const std::size_t dropped = size_ - kept;
    size_ = static_cast<std::uint16_t>(kept);
    fit();
    return dropped;
  }
  void clear() {
    memory_.reset();
    size_ = capacity_ = 0;
  }

 private:
  static constexpr std::size_t kGrow = 2;

  void insert(std::size_t i, const TableEntry& entry) {
    assert(TableEntry::size(entry.family()) == stride_);
    if (size_ == capacity_) resize(capacity_ + kGrow);
    std::memmove(static_cast<void*>(at(i + 1)), at(i), (size_ - i) * stride_);
    std::memcpy(static_cast<void*>(at(i)), &entry, stride_);
    ++size_;
  }

  [[nodiscard]] TableEntry* at(std::size_t i) const {
    return reinterpret_cast<TableEntry*>(memory_.get() + i * stride_);
  }
  void resize(std::size_t capacity) {
    auto memory = std::make_unique_for_overwrite<std::uint8_t[]>(capacity * stride_);
    if (size_ != 0) std::memcpy(memory.get(), memory_.get(), std::size_t{size_} * stride_);
    memory_ = std::move(memory);
    capacity_ = static_cast<std::uint16_t>(capacity);
  }
  /// One comes where one has gone, most often.
  void fit() {
    if (std::size_t{capacity_} >= size_ + 8u) resize((size_ + kGrow) / kGrow * kGrow);
  }

  std::unique_ptr<std::uint8_t[]> memory_;
  std::uint16_t size_ = 0;
  std::uint16_t capacity_ = 0;
  std::uint8_t stride_;
};

}  // namespace lodestone::dht
