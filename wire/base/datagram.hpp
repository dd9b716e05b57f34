// SPDX-License-Identifier: Apache-2.0
// The send arena: datagrams are encoded in place, one behind the other, and the driver hands the whole batch to
// sendmmsg. reserve() gives room, commit() makes it a datagram; nothing is copied and a warm arena allocates nothing.
// Also tells apart what arrives on a shared UDP port.
#pragma once

#include <cstdint>
#include <vector>

#include "wire/base/bytes.hpp"
#include "wire/base/endpoint.hpp"

namespace lodestone::wire {

class DatagramBatch {
 public:
  struct Entry {
    Endpoint to;
    std::uint32_t offset;
    std::uint32_t size;
  };

  /// Room for at most `max` bytes to that endpoint, valid until the next call of any member.
  [[nodiscard]] MutableBytes reserve(const Endpoint& to, std::size_t max);
  /// Keeps the first n bytes of the last reserve() as a datagram; 0 drops it.
  void commit(std::size_t n);
  void push(const Endpoint& to, Bytes payload);

  [[nodiscard]] bool empty() const { return entries_.empty(); }
  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  [[nodiscard]] const std::vector<Entry>& entries() const { return entries_; }
  [[nodiscard]] Bytes payload(const Entry& e) const { return Bytes{bytes_}.subspan(e.offset, e.size); }
  /// Forgets the datagrams, keeps the memory.
  void clear();

 private:
  ByteVector bytes_;  // sized to the high-water mark; used_ counts what is committed
  std::vector<Entry> entries_;
  std::size_t used_ = 0;
  std::size_t reserved_ = 0;
  Endpoint reserved_to_;
};

enum class DatagramKind : std::uint8_t { dht, utp, junk };
/// DHT: a bencoded dictionary by its first byte; uTP (BEP 29): version 1, type 0..4, at least 20 bytes.
[[nodiscard]] DatagramKind classify(Bytes datagram);

}  // namespace lodestone::wire
