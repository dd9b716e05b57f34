// SPDX-License-Identifier: Apache-2.0
// The receiving half of a connection: says where the next bytes of the stream shall land and cuts them into frames. The
// payload of a piece message lands in its Block; while a peer sends one block after the other, the places of the next
// headers and blocks are foretold, so that one readv brings several blocks and nothing is copied. A wrong prophecy
// costs a copy and nothing else: what the bytes mean never depends on how they were cut on their way (P3). Between
// receive() and prepare() no block is held but that of a piece message under way. Only peer_connection uses this. What
// frames mean, it is told by the FrameSink.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>

#include "wire/base/block.hpp"
#include "wire/base/bytes.hpp"
#include "wire/base/index.hpp"
#include "wire/peer/handshake.hpp"
#include "wire/peer/message.hpp"
#include "wire/peer/peer_error.hpp"

namespace lodestone::wire {

/// Is called during receive() and resume() only. An error ends the stream.
class FrameSink {
 public:
  enum class Opening : std::uint8_t { more, pause, complete };
  enum class Frame : std::uint8_t { keep, skip, piece };

  /// The first bytes of the stream, as far as they are there: at most Handshake::kSize, at least one. `pause`: nothing
  /// is read on until resume(), which asks again. `complete` only with all of them.
  [[nodiscard]] virtual std::expected<Opening, PeerError> on_opening(Bytes so_far) = 0;
  /// A frame begins; its length (at least 1) has not been looked at by anybody yet. keep: wants the payload in one
  /// piece; skip: does not want it; piece: has a piece message's head, and payload.
  [[nodiscard]] virtual std::expected<Frame, PeerError> on_frame(std::uint8_t id, std::uint32_t length) = 0;
  [[nodiscard]] virtual std::expected<void, PeerError> on_message(std::uint8_t id, Bytes payload) = 0;
  /// The head of a piece message whose payload has `length` bytes (<= kBlockSize). nullopt: the payload is waste.
  [[nodiscard]] virtual std::expected<std::optional<BlockRef>, PeerError> on_piece(std::uint32_t piece,
                                                                                   std::uint32_t begin,
                                                                                   std::uint32_t length) = 0;
  virtual void on_block(BlockRef ref, Block&& block) = 0;
  virtual void on_waste(std::uint32_t bytes) = 0;

 protected:
  ~FrameSink() = default;
};

class Receiver {
 public:
  static constexpr std::size_t kSpill = 4096;  // bytes: a read when no block is expected
  static constexpr std::size_t kMaxAhead = 7;  // blocks foretold beside the one under way
  static constexpr std::size_t kReserve = 4;   // foretold blocks are at most one in so many of those free
  static constexpr std::size_t kMaxPlanned = 16;

  /// Places for the next bytes; 0: none until there is a block (or, while paused, until resume()). `expecting`: blocks
  /// have been asked for, so that it makes no sense to read on while there is none to be had.
  std::size_t prepare(BlockPool& pool, bool expecting, std::span<MutableBytes> buffers);
  /// n bytes came into these places; 0: none came, what was foretold is given back.
  [[nodiscard]] std::expected<void, PeerError> receive(std::size_t n, FrameSink& sink);
  /// Goes on with what had to wait, for resume of a pause or for a block.
  [[nodiscard]] std::expected<void, PeerError> resume(FrameSink& sink);
  /// Lets go of the places of an unanswered prepare().
  void release_plan();
  /// Lets go of everything; nothing may follow.
  void clear();

  /// The pool of the last prepare() has no block left.
  [[nodiscard]] bool dry() const { return pool_ != nullptr && pool_->available() == 0; }
  /// Bytes wait that only a free block can bring on.
  [[nodiscard]] bool waits_for_block() const { return stage_ == Stage::block_wait; }

 private:
  enum class Stage : std::uint8_t {
    opening,     // the handshake
    length,      // of a frame: 4 bytes
    id,          // and its id: 5 in all
    body,        // a frame that is kept: need_ in all
    piece_head,  // kPieceHeader in all
    block_wait,  // the same, complete and accepted, but there was no block
    payload,     // into block_
    waste,       // skip_ bytes to be dropped
    waiting      // paused by the sink
  };
  enum class Place : std::uint8_t { payload, head, ahead, inbox, spill };
  struct Planned {
    Place place;
    std::uint8_t index;  // of headers_ and ahead_
    MutableBytes bytes;
  };

  void plan(Place place, std::size_t index, MutableBytes bytes) {
    planned_[planned_count_++] = {place, static_cast<std::uint8_t>(index), bytes};
  }
  void plan_ahead(std::size_t buffers);
  void plan_spill(std::size_t room);
  void plan_inbox();
  [[nodiscard]] std::expected<void, PeerError> take_planned(const Planned& planned, Bytes bytes, FrameSink& sink);
  [[nodiscard]] std::expected<void, PeerError> take(Bytes bytes, FrameSink& sink);
  [[nodiscard]] std::expected<std::size_t, PeerError> consume(Bytes bytes, FrameSink& sink);
  [[nodiscard]] std::expected<bool, PeerError> step(Bytes& bytes, FrameSink& sink);
  [[nodiscard]] std::expected<bool, PeerError> open(Bytes& bytes, FrameSink& sink);
  [[nodiscard]] std::expected<void, PeerError> gathered(FrameSink& sink);
  [[nodiscard]] std::expected<void, PeerError> frame_begins(FrameSink& sink);
  [[nodiscard]] std::expected<void, PeerError> piece_begins(FrameSink& sink);
  bool start_block();
  void payload_came(std::size_t n, FrameSink& sink);
  void waste_came(std::size_t n, FrameSink& sink);
  void gather_bytes(Bytes& bytes);
  void next_frame();

  Stage stage_ = Stage::opening;
  bool after_piece_ = false;  // the last frame was a piece message
  std::size_t need_ = Handshake::kSize;

  // The frame under way as far as it is here: inbox_[0, have_). inbox_ may be longer: room for a direct read.
  ByteVector inbox_;
  std::size_t have_ = 0;

  Block block_;  // stage payload; its size is that of the payload
  BlockRef ref_;
  std::uint32_t length_ = 0;  // of the payload of ref_
  std::uint32_t filled_ = 0;
  std::uint32_t skip_ = 0;   // stage waste
  std::uint32_t waste_ = 0;  // what on_waste() will be told then; 0 for frames that are no piece

  ByteVector backlog_;  // came, but could not be cut yet
  std::unique_ptr<std::uint8_t[]> spill_;
  BlockPool* pool_ = nullptr;  // of the last prepare()

  std::array<Planned, kMaxPlanned> planned_;
  std::size_t planned_count_ = 0;
  std::array<std::array<std::uint8_t, kPieceHeader>, kMaxAhead> headers_;
  std::array<Block, kMaxAhead> ahead_;
  std::size_t ahead_count_ = 0;
  Block* offered_ = nullptr;  // start_block() takes this one instead of one of the pool
  std::size_t last_read_ = 0;
};

}  // namespace lodestone::wire
