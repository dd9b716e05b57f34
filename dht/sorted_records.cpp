// SPDX-License-Identifier: Apache-2.0
#include "dht/sorted_records.hpp"

#include <algorithm>
#include <cassert>

namespace lodestone::dht {
namespace {

std::size_t round_up(std::size_t n, std::size_t step) { return (n + step - 1) / step * step; }

/// How many of n in a row are below, which is a prefix of them, looked for around a guess in steps that double: keys
/// are hashes, mostly, and lie where an even spread has them, a line of cache or two away. log(n) where they do not.
template <class Below>
std::size_t count_below(std::size_t n, std::size_t guess, Below&& below) {
  std::size_t low = 0, high = n;  // the answer is one of low..high
  guess = std::min(guess, n);
  if (guess < n && below(guess)) {
    low = guess + 1;
    for (std::size_t step = 1; low + step <= high; step *= 2) {
      if (!below(low + step - 1)) {
        high = low + step - 1;
        break;
      }
      low += step;
    }
  } else {
    high = guess;
    for (std::size_t step = 1; step <= high - low; step *= 2) {
      if (below(high - step)) {
        low = high - step + 1;
        break;
      }
      high -= step;
    }
  }
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    if (below(middle)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

/// Where among n that are spread evenly from `first` up to `end` that one is.
std::size_t guess_at(std::uint64_t key, std::uint64_t first, std::uint64_t end, std::size_t n) {
  if (key <= first) return 0;
  if (key >= end) return n;
  // Halves: the processor knows signed numbers only, and a guess needs no last bit.
  const auto half = [](std::uint64_t x) { return static_cast<double>(static_cast<std::int64_t>(x >> 1)); };
  const double share = half(key - first) / std::max(1.0, half(end - first));
  return static_cast<std::size_t>(static_cast<std::int64_t>(share * static_cast<double>(static_cast<std::int64_t>(n))));
}

constexpr std::uint64_t kEnd = 0xffff'ffff'ffff'ffff;

}  // namespace

std::size_t SortedRecords::cost(std::size_t capacity) const {
  return capacity == 0 ? 0 : allocation_cost(capacity * size_of_record_);
}

std::size_t SortedRecords::page_of(const wire::Key& key) const {
  if (pages_.size() == 1) return 0;  // it may be the new one, in which there is no key to compare with
  const std::uint64_t prefix = wire::load_be64(key.bytes().data());
  // The last page that does not begin behind the key.
  // Up to where the last one begins, not to the end of all keys: a full peer store has its own surroundings only.
  const std::size_t guess = guess_at(prefix, pages_.front().first, pages_.back().first, pages_.size() - 1);
  const std::size_t after = count_below(pages_.size(), guess, [&](std::size_t i) {
    const Page& page = pages_[i];
    if (prefix != page.first) return prefix > page.first;
    return std::memcmp(key.bytes().data(), record(page, 0), kKeySize) >= 0;
  });
  return after == 0 ? 0 : after - 1;
}

std::size_t SortedRecords::index_in(std::size_t p, const wire::Key& key) const {
  const Page& page = pages_[p];
  const std::uint64_t prefix = wire::load_be64(key.bytes().data());
  const std::uint64_t end = p + 1 < pages_.size() ? pages_[p + 1].first : kEnd;
  return count_below(page.count, guess_at(prefix, page.first, end, page.count), [&](std::size_t i) {
    const std::uint8_t* const r = record(page, i);
    const std::uint64_t first = wire::load_be64(r);
    return first != prefix ? first < prefix : std::memcmp(r, key.bytes().data(), kKeySize) < 0;
  });
}

SortedRecords::Position SortedRecords::lower_bound(const wire::Key& key) const {
  if (pages_.empty()) return {0, 0};
  const std::size_t page = page_of(key);
  const std::size_t index = index_in(page, key);
  if (index == pages_[page].count) return {page + 1, 0};
  return {page, index};
}

std::uint8_t* SortedRecords::at_least(const wire::Key& key) {
  const Position p = lower_bound(key);
  return p.page == pages_.size() ? nullptr : record(pages_[p.page], p.index);
}

std::uint8_t* SortedRecords::find(const wire::Key& key) {
  std::uint8_t* const at = at_least(key);
  return at != nullptr && std::memcmp(at, key.bytes().data(), kKeySize) == 0 ? at : nullptr;
}

const std::uint8_t* SortedRecords::last() const {
  assert(size_ != 0);
  return record(pages_.back(), pages_.back().count - 1u);
}

std::uint8_t* SortedRecords::insert(const wire::Key& key) {
  if (pages_.empty()) {
    // A node has thousands of these in a simulation: the directory, too, grows by little.
    pages_.reserve(1);
    pages_.emplace_back();
  }
  std::size_t p = page_of(key);
  if (pages_[p].count == kPage) {
    split(p);
    p = page_of(key);
  }
  Page& page = pages_[p];
  if (page.count == page.capacity) resize(page, page.capacity + kGrow);
  const std::size_t i = index_in(p, key);
  std::uint8_t* const at = record(page, i);
  assert(i == page.count || std::memcmp(at, key.bytes().data(), kKeySize) != 0);
  std::memmove(at + size_of_record_, at, (page.count - i) * size_of_record_);
  std::memcpy(at, key.bytes().data(), kKeySize);
  std::memset(at + kKeySize, 0, size_of_record_ - kKeySize);
  ++page.count;
  ++size_;
  if (i == 0) page.first = wire::load_be64(at);
  return at;
}

void SortedRecords::erase(const wire::Key& key) {
  const Position p = lower_bound(key);
  assert(p.page < pages_.size());
  Page& page = pages_[p.page];
  std::uint8_t* const at = record(page, p.index);
  assert(std::memcmp(at, key.bytes().data(), kKeySize) == 0);
  std::memmove(at, at + size_of_record_, (page.count - p.index - 1) * size_of_record_);
  --page.count;
  --size_;
  if (page.count == 0) {
    held_ -= cost(page.capacity);
    pages_.erase(pages_.begin() + static_cast<std::ptrdiff_t>(p.page));
    return;
  }
  if (p.index == 0) page.first = wire::load_be64(record(page, 0));
  if (page.count + 2 * kGrow <= page.capacity) resize(page, page.capacity - kGrow);
  if (page.count <= kPage / 4) join(p.page);
}

void SortedRecords::resize(Page& page, std::size_t capacity) {
  auto data = std::make_unique_for_overwrite<std::uint8_t[]>(capacity * size_of_record_);
  if (page.count != 0) std::memcpy(data.get(), page.data.get(), page.count * size_of_record_);
  page.data = std::move(data);
  held_ += cost(capacity) - cost(page.capacity);
  page.capacity = static_cast<std::uint16_t>(capacity);
}

void SortedRecords::split(std::size_t p) {
  constexpr std::size_t kHalf = kPage / 2;
  if (pages_.size() == pages_.capacity()) pages_.reserve(pages_.size() + 1 + pages_.size() / 8);
  Page upper;
  upper.count = static_cast<std::uint16_t>(pages_[p].count - kHalf);
  upper.capacity = static_cast<std::uint16_t>(round_up(upper.count + 1u, kGrow));
  upper.data = std::make_unique_for_overwrite<std::uint8_t[]>(upper.capacity * size_of_record_);
  held_ += cost(upper.capacity);
  std::memcpy(upper.data.get(), record(pages_[p], kHalf), upper.count * size_of_record_);
  upper.first = wire::load_be64(upper.data.get());
  pages_[p].count = kHalf;
  resize(pages_[p], kHalf + kGrow);
  pages_.insert(pages_.begin() + static_cast<std::ptrdiff_t>(p) + 1, std::move(upper));
}

void SortedRecords::join(std::size_t p) {
  if (p + 1 == pages_.size()) return;
  Page& lower = pages_[p];
  const Page& upper = pages_[p + 1];
  const std::size_t together = std::size_t{lower.count} + upper.count;
  if (together > kPage / 2) return;
  if (together > lower.capacity) resize(lower, round_up(together, kGrow));
  std::memcpy(record(lower, lower.count), upper.data.get(), upper.count * size_of_record_);
  lower.count = static_cast<std::uint16_t>(together);
  held_ -= cost(upper.capacity);
  pages_.erase(pages_.begin() + static_cast<std::ptrdiff_t>(p) + 1);
}

void SortedRecords::tidy() {
  std::erase_if(pages_, [&](const Page& page) {
    if (page.count == 0) held_ -= cost(page.capacity);
    return page.count == 0;
  });
  for (std::size_t p = 0; p < pages_.size(); ++p) {
    Page& page = pages_[p];
    if (page.count + 2 * kGrow <= page.capacity) resize(page, round_up(page.count + 1u, kGrow));
  }
  for (std::size_t p = pages_.size(); p-- > 0;) join(p);
  if (pages_.size() * 2 < pages_.capacity()) pages_.shrink_to_fit();
}

void SortedRecords::check_invariants() const {
  [[maybe_unused]] const std::uint8_t* previous = nullptr;
  std::size_t n = 0;
  std::size_t held = 0;
  for (const Page& page : pages_) {
    held += cost(page.capacity);
    assert(page.count != 0 && page.count <= page.capacity && page.capacity <= kPage);
    assert(page.first == wire::load_be64(page.data.get()));
    for (std::size_t i = 0; i < page.count; ++i, ++n) {
      assert(previous == nullptr || std::memcmp(previous, record(page, i), kKeySize) < 0);
      previous = record(page, i);
    }
  }
  assert(n == size_ && held == held_);
  (void)n;
  (void)held;
}

}  // namespace lodestone::dht
