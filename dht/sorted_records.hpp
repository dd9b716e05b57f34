// SPDX-License-Identifier: Apache-2.0
// Many small records of one size, each beginning with a 160-bit key, in key order: what the contact store is made of.
// Flat pages of at most 64 records behind a directory of their first keys, so that a hundred
// thousand records cost little more than their bytes, and a change moves a page, not the whole. A key is looked for
// where it would be if keys were spread evenly: a line or two of cache where they are, a logarithm where somebody has
// chosen them. Grows from nothing. Invariant (check_invariants): keys strictly ascending over all pages; no page empty.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include "wire/base/bytes.hpp"
#include "wire/base/id.hpp"

namespace lodestone::dht {

/// What an allocation of that many bytes takes: malloc keeps 8 for itself and deals in steps of 16.
[[nodiscard]] constexpr std::size_t allocation_cost(std::size_t bytes) {
  return bytes <= 24 ? 32 : (bytes + 8 + 15) / 16 * 16;
}

class SortedRecords {
 public:
  static constexpr std::size_t kKeySize = wire::Key::kSize;

  /// `record_size` bytes each, the key's 20 among them.
  explicit SortedRecords(std::size_t record_size) : size_of_record_(record_size) {}

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  /// Memory that is held, allocator's overhead included.
  [[nodiscard]] std::size_t bytes() const { return held_ + pages_.capacity() * sizeof(Page); }

  // Pointers are to whole records and good until the next insert or erase. Key bytes are not to be changed.
  /// nullptr when it is not here.
  [[nodiscard]] std::uint8_t* find(const wire::Key& key);
  [[nodiscard]] const std::uint8_t* find(const wire::Key& key) const {
    return const_cast<SortedRecords*>(this)->find(key);
  }
  /// A new record; everything behind its key is zero. The key must not be here.
  std::uint8_t* insert(const wire::Key& key);
  /// The key must be here.
  void erase(const wire::Key& key);
  /// The record with the greatest key; not when empty.
  [[nodiscard]] const std::uint8_t* last() const;
  /// The first record whose key is at least that, nullptr if there is none.
  [[nodiscard]] std::uint8_t* at_least(const wire::Key& key);

  /// f(const std::uint8_t* record) from `key` on, in order, until it returns false.
  template <class F>
  void for_each_from(const wire::Key& key, F&& f) const {
    Position p = lower_bound(key);
    for (; p.page < pages_.size(); ++p.page, p.index = 0) {
      const Page& page = pages_[p.page];
      for (; p.index < page.count; ++p.index)
        if (!f(static_cast<const std::uint8_t*>(record(page, p.index)))) return;
    }
  }
  template <class F>
  void for_each(F&& f) const {
    for (const Page& page : pages_)
      for (std::size_t i = 0; i < page.count; ++i) f(static_cast<const std::uint8_t*>(record(page, i)));
  }
  /// Drops all records for which drop(std::uint8_t* record) is true; it may change what is behind the key.
  template <class Drop>
  void erase_if(Drop&& drop) {
    for (Page& page : pages_) {
      std::size_t kept = 0;
      for (std::size_t i = 0; i < page.count; ++i) {
        if (drop(record(page, i))) continue;
        if (kept != i) std::memcpy(record(page, kept), record(page, i), size_of_record_);
        ++kept;
      }
      size_ -= page.count - kept;
      if (kept != page.count) page.first = kept == 0 ? 0 : wire::load_be64(record(page, 0));
      page.count = static_cast<std::uint16_t>(kept);
    }
    tidy();
  }

  void check_invariants() const;

 private:
  static constexpr std::size_t kPage = 64;  // records
  static constexpr std::size_t kGrow = 8;

  struct Page {
    std::uint64_t first = 0;  // the first 8 bytes of the first key
    std::unique_ptr<std::uint8_t[]> data;
    std::uint16_t count = 0;
    std::uint16_t capacity = 0;
  };
  struct Position {
    std::size_t page;
    std::size_t index;
  };

  [[nodiscard]] std::uint8_t* record(const Page& page, std::size_t i) const {
    return page.data.get() + i * size_of_record_;
  }
  /// The page that holds the key, if any page does.
  [[nodiscard]] std::size_t page_of(const wire::Key& key) const;
  [[nodiscard]] std::size_t index_in(std::size_t page, const wire::Key& key) const;
  /// May be one past the last record of the last page: then page == pages_.size().
  [[nodiscard]] Position lower_bound(const wire::Key& key) const;
  /// What a page of that capacity costs.
  [[nodiscard]] std::size_t cost(std::size_t capacity) const;
  void resize(Page& page, std::size_t capacity);
  void split(std::size_t page);
  /// Joins with the next page if both are nearly empty.
  void join(std::size_t page);
  void tidy();

  std::size_t size_of_record_;
  std::size_t size_ = 0;
  std::size_t held_ = 0;  // by the pages
  std::vector<Page> pages_;
};

}  // namespace lodestone::dht
