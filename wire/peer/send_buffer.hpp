// SPDX-License-Identifier: Apache-2.0
// What a connection owes its peer, in order: control bytes, and piece messages whose payload stays in its Block until
// the socket has taken it. Nothing is copied on the way out, and nothing is allocated when warm. Invariant: total() is
// the sum of all unsent bytes; only the first entry may be partly sent.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "wire/base/block.hpp"
#include "wire/base/bytes.hpp"
#include "wire/base/index.hpp"
#include "wire/peer/message.hpp"

namespace lodestone::wire {

class SendBuffer {
 public:
  /// Where control bytes are to be appended; commit() makes them part of the queue. Nothing else may be called between.
  [[nodiscard]] ByteVector& control() { return control_; }
  void commit();
  /// A whole piece message. range.length == block.size() > 0.
  void push_piece(const BlockRange& range, Block&& block);
  /// Takes the first not yet started piece message of that range out again; false when there is none.
  bool remove_piece(const BlockRange& range);
  void clear();

  /// Next bytes to write, in order; how many spans are used. They are valid until anything else is called.
  std::size_t gather(std::span<Bytes> buffers) const;
  /// n bytes of those went; returns how many of them were piece payload.
  std::size_t sent(std::size_t n);

  [[nodiscard]] bool empty() const { return total_ == 0; }
  [[nodiscard]] std::size_t total() const { return total_; }
  /// Payload bytes of pieces, and everything that is not a piece message.
  [[nodiscard]] std::size_t payload() const { return payload_; }
  [[nodiscard]] std::size_t control_bytes() const { return committed_ - control_begin_; }

 private:
  /// A run of control bytes, or a piece message (block is set). A removed piece is a run of no bytes.
  struct Entry {
    std::size_t control = 0;
    std::array<std::uint8_t, kPieceHeader> header{};
    BlockRange range;
    Block block;
    [[nodiscard]] std::size_t size() const { return block ? kPieceHeader + block.size() : control; }
  };
  void drop_front();

  ByteVector control_;             // [control_begin_, committed_) is owed, in the order of the entries
  std::size_t control_begin_ = 0;  // first byte of the first control run, sent or not
  std::size_t committed_ = 0;
  std::vector<Entry> entries_;  // [first_, end) is owed
  std::size_t first_ = 0;
  std::size_t front_sent_ = 0;  // bytes of entries_[first_] that went
  std::size_t total_ = 0;
  std::size_t payload_ = 0;
};

}  // namespace lodestone::wire
