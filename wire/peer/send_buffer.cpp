// SPDX-License-Identifier: Apache-2.0
#include "wire/peer/send_buffer.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace lodestone::wire {
namespace {

/// What an emptied queue keeps for the next time. A peer that once owed a lot does not hold the memory for ever.
constexpr std::size_t kKeepControl = 4096;
constexpr std::size_t kKeepEntries = 64;
/// Sent entries or bytes in front are moved away when they are this many and more than half.
constexpr std::size_t kCompactEntries = 64;
constexpr std::size_t kCompactControl = 4096;

/// Appends the part of `bytes` behind the first `skip` ones, and takes that part off `skip`.
bool put(Bytes bytes, std::size_t& skip, std::span<Bytes> buffers, std::size_t& used) {
  const std::size_t over = std::min(skip, bytes.size());
  skip -= over;
  if (over == bytes.size()) return true;
  if (used == buffers.size()) return false;
  buffers[used++] = bytes.subspan(over);
  return true;
}

}  // namespace

void SendBuffer::commit() {
  const std::size_t n = control_.size() - committed_;
  if (n == 0) return;
  if (entries_.size() == first_ || entries_.back().block) entries_.emplace_back();
  entries_.back().control += n;
  committed_ = control_.size();
  total_ += n;
}

void SendBuffer::push_piece(const BlockRange& range, Block&& block) {
  assert(block && block.size() > 0 && range.length == block.size());
  Entry& e = entries_.emplace_back();
  e.header = piece_header(range);
  e.range = range;
  e.block = std::move(block);
  total_ += e.size();
  payload_ += range.length;
}

bool SendBuffer::remove_piece(const BlockRange& range) {
  for (std::size_t i = first_; i < entries_.size(); ++i) {
    Entry& e = entries_[i];
    if (!e.block || e.range != range || (i == first_ && front_sent_ > 0)) continue;
    total_ -= e.size();
    payload_ -= range.length;
    e = Entry{};
    while (first_ < entries_.size() && entries_[first_].size() == 0) drop_front();
    return true;
  }
  return false;
}

void SendBuffer::clear() { *this = SendBuffer{}; }

std::size_t SendBuffer::gather(std::span<Bytes> buffers) const {
  std::size_t used = 0;
  std::size_t skip = front_sent_;
  std::size_t at = control_begin_;
  for (std::size_t i = first_; i < entries_.size() && used < buffers.size(); ++i) {
    const Entry& e = entries_[i];
    if (e.block) {
      if (!put(e.header, skip, buffers, used) || !put(e.block.bytes(), skip, buffers, used)) break;
    } else {
      put(Bytes{control_}.subspan(at, e.control), skip, buffers, used);
      at += e.control;
    }
  }
  return used;
}

std::size_t SendBuffer::sent(std::size_t n) {
  assert(n <= total_);
  total_ -= n;
  std::size_t payload = 0;
  while (n > 0) {
    const Entry& e = entries_[first_];
    const std::size_t before = front_sent_;
    const std::size_t step = std::min(n, e.size() - before);
    front_sent_ += step;
    n -= step;
    if (e.block) payload += std::max(front_sent_, kPieceHeader) - std::max(before, kPieceHeader);
    if (front_sent_ == e.size()) drop_front();
  }
  // Whoever looks at the first entry may rely on it that it has bytes left.
  while (first_ < entries_.size() && entries_[first_].size() == 0) drop_front();
  payload_ -= payload;
  return payload;
}

void SendBuffer::drop_front() {
  Entry& e = entries_[first_];
  control_begin_ += e.control;
  e = Entry{};
  front_sent_ = 0;
  ++first_;
  if (first_ == entries_.size()) {
    assert(control_begin_ == committed_);
    entries_.clear();
    control_.clear();
    if (entries_.capacity() > kKeepEntries) entries_.shrink_to_fit();
    if (control_.capacity() > kKeepControl) control_.shrink_to_fit();
    first_ = control_begin_ = committed_ = 0;
    return;
  }
  if (first_ >= kCompactEntries && first_ > entries_.size() / 2) {
    entries_.erase(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }
  if (control_begin_ >= kCompactControl && control_begin_ > committed_ / 2) {
    control_.erase(control_.begin(), control_.begin() + static_cast<std::ptrdiff_t>(control_begin_));
    committed_ -= control_begin_;
    control_begin_ = 0;
  }
}

}  // namespace lodestone::wire
