// SPDX-License-Identifier: Apache-2.0
#include "wire/base/datagram.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <limits>

namespace lodestone::wire {

MutableBytes DatagramBatch::reserve(const Endpoint& to, std::size_t max) {
  // Offsets are 32 bits; drivers send and clear long before.
  assert(max <= std::numeric_limits<std::uint32_t>::max() - used_);
  if (bytes_.size() - used_ < max) bytes_.resize(std::max(used_ + max, bytes_.size() * 2));
  reserved_ = max;
  reserved_to_ = to;
  return MutableBytes{bytes_}.subspan(used_, max);
}

void DatagramBatch::commit(std::size_t n) {
  assert(n <= reserved_);
  reserved_ = 0;
  if (n == 0) return;
  entries_.push_back({reserved_to_, static_cast<std::uint32_t>(used_), static_cast<std::uint32_t>(n)});
  used_ += n;
}

void DatagramBatch::push(const Endpoint& to, Bytes payload) {
  // The payload may lie in this very arena (a datagram sent on): growing would pull it away from under memcpy.
  if (!payload.empty() && !bytes_.empty() && payload.data() >= bytes_.data() &&
      payload.data() < bytes_.data() + bytes_.size()) {
    const std::size_t at = static_cast<std::size_t>(payload.data() - bytes_.data());
    const MutableBytes room = reserve(to, payload.size());
    std::memmove(room.data(), bytes_.data() + at, payload.size());
  } else {
    const MutableBytes room = reserve(to, payload.size());
    if (!payload.empty()) std::memcpy(room.data(), payload.data(), payload.size());
  }
  commit(payload.size());
}

void DatagramBatch::clear() {
  entries_.clear();
  used_ = 0;
  reserved_ = 0;
}

DatagramKind classify(Bytes datagram) {
  if (datagram.empty()) return DatagramKind::junk;
  const std::uint8_t first = datagram[0];
  if (first == 'd') return DatagramKind::dht;
  const bool utp = (first & 0x0f) == 1 && (first >> 4) <= 4 && datagram.size() >= 20;
  return utp ? DatagramKind::utp : DatagramKind::junk;
}

}  // namespace lodestone::wire
