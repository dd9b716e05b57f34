// SPDX-License-Identifier: Apache-2.0
// Which blocks to ask of whom (W7): open pieces are finished before new ones are begun; the first pieces by lot, then
// the rarest, or in order when asked to; when everything is asked for, idle peers duplicate what others are slow with.
//
// It also keeps the account of D4. A block that is asked for, received or on its way to disk is *committed*; a new one
// is committed only while  committed + reserve <= limit,  where reserve is what the open piece nearest to being wholly
// asked for still needs. So some piece can always be finished, and what a crash can lose never exceeds the limit.
// Blocks count 16 KiB, the last piece as if it were whole. In torrents whose pieces go to the scratch file block by
// block (longer than storage::kMemoryPieceLimit) there is no reserve: what is spilled counts no more.
//
// Invariant: a block of an open piece is free, asked (of 1 or more peers) or received; a piece is unwanted, pickable
// (in order_), open, storing or had. Pure. Picking costs O(1) in the number of pieces, except that a peer that has none
// of the pickable pieces is noticed by one walk over them.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "magnet/swarm/rarity_order.hpp"
#include "storage/plan/job.hpp"
#include "wire/base/bitfield.hpp"
#include "wire/base/geometry.hpp"
#include "wire/base/rng.hpp"

namespace lodestone::magnet {

struct PickerConfig {
  bool sequential = false;
  std::uint64_t unstored_limit = storage::kUnstoredLimit;  // bytes
};

class PiecePicker {
 public:
  static constexpr std::uint32_t kNobody = 0xffffffff;
  static constexpr std::uint32_t kNoSlot = 0xffffffff;
  static constexpr std::uint32_t kRandomFirst = 4;        // pieces
  static constexpr std::uint64_t kOpenLimit = 24u << 20;  // bytes of open pieces, at least two of them
  static constexpr std::uint32_t kMaxAskers = 2;          // of one block; one more when it is late
  static constexpr std::size_t kMaxAside = 16;            // long pieces that nobody has any more, kept beyond the limit

  PiecePicker(const wire::Geometry& geometry, PickerConfig config, wire::Rng rng);

  // --- pieces ---
  /// Once, when the disk has told what is there. Until then nothing is picked.
  void begin(const wire::Bitfield& wanted, const wire::Bitfield& have);
  /// Verified and on disk; closes the piece if it was open.
  void set_have(wire::PieceIndex piece);
  [[nodiscard]] const wire::Bitfield& have() const { return have_; }
  /// Wanted and not had.
  [[nodiscard]] const wire::Bitfield& missing() const { return missing_; }
  [[nodiscard]] bool done() const { return missing_.none(); }
  /// How many pieces a peer has that we miss.
  [[nodiscard]] std::uint32_t interesting(const wire::Bitfield& pieces) const;

  // --- availability ---
  void add_seed() { ++seeds_; }
  void remove_seed() { --seeds_; }
  void add_pieces(const wire::Bitfield& pieces);
  void remove_pieces(const wire::Bitfield& pieces);
  void add_piece(wire::PieceIndex piece);
  [[nodiscard]] std::uint32_t availability(wire::PieceIndex piece) const {
    return availability_[piece.value()] + seeds_;
  }

  // --- asking ---
  struct Asker {
    std::uint32_t id = kNobody;  // different for different peers
    const wire::Bitfield* pieces = nullptr;
    /// Kept with the peer, 0 at first and whenever it gets a piece: when it was last found to have nothing new.
    std::uint64_t* nothing_new = nullptr;
    bool seed = false;           // counted by add_seed(), also when `pieces` are not all it has
    bool may_open = true;        // new pieces
    std::size_t duplicates = 0;  // it is idle: so many blocks may be asked of it that others were asked for
    /// Is it faster to ask this peer for that block than to wait for `first`, who was asked first (kNobody: unknown)?
    const std::function<bool(wire::BlockRef, std::uint32_t first)>* worth = nullptr;
  };
  /// Appends at most n blocks to `out`, all of which now count as asked of that peer. Returns how many.
  std::size_t pick(const Asker& asker, std::size_t n, std::vector<wire::BlockRef>& out);
  /// The peer will not deliver that block (reject, choke, time-out, gone).
  void release(wire::BlockRef ref, std::uint32_t asker);
  /// The block takes much longer than it should: others may be asked even before the end-game.
  void mark_late(wire::BlockRef ref);

  struct Arrival {
    bool fresh = false;     // nobody had brought it; else it is waste
    bool complete = false;  // the last one of its piece, which now counts as being stored
    bool others_asked = false;
  };
  Arrival arrived(wire::BlockRef ref, std::uint32_t asker);
  /// The scratch file holds it from an earlier run. True when the piece is complete with it.
  bool resumed(wire::BlockRef ref);
  /// So many received blocks went to the scratch file and need no memory any more.
  void spilled(std::uint32_t blocks);
  /// Its hash was wrong: all its blocks are free again. `exclusive`: from now on one peer at a time is asked for it, so
  /// that a bad copy has one author (W3) - until that one fails to deliver a block.
  void corrupt(wire::PieceIndex piece, bool exclusive);
  /// That peer is gone or chokes us: an exclusive piece of its may be asked of the next.
  void forget(std::uint32_t asker);
  /// An open piece that nobody has any more while it keeps others from being asked for. Of a long one nothing may be in
  /// memory or on its way to the scratch file when it is abandoned.
  [[nodiscard]] std::optional<wire::PieceIndex> hopeless() const;
  /// Gives an open piece up: its received blocks are thrown away.
  void abandon(wire::PieceIndex piece);

  // --- limits ---
  /// Bytes asked for that are far away in time (RequestWindow::distant_bytes): they may be asked for beyond the limit.
  void set_distant(std::uint64_t bytes);
  [[nodiscard]] std::uint64_t committed() const { return std::uint64_t{committed_} * wire::kBlockSize; }
  [[nodiscard]] bool blocked_by_limit() const { return blocked_; }
  [[nodiscard]] bool end_game() const { return begun_ && order_.empty() && with_free_.empty() && !missing_.none(); }

  // --- looking ---
  /// A small number that names an open or storing piece; kNoSlot for others.
  [[nodiscard]] std::uint32_t slot(wire::PieceIndex piece) const { return slot_of_[piece.value()]; }
  [[nodiscard]] std::size_t open_pieces() const { return open_order_.size(); }
  [[nodiscard]] std::size_t max_open() const { return max_open_; }
  [[nodiscard]] bool pickable(wire::PieceIndex piece) const { return order_.contains(piece.value()); }
  void check_invariants() const;

 private:
  static constexpr std::uint8_t kReceived = 0x80, kLate = 0x40, kCount = 0x3f;
  struct Open {
    std::uint32_t piece = 0;
    std::uint32_t blocks = 0, free = 0, received = 0;
    std::uint32_t first_free = 0;  // no free block before it
    bool used = false, exclusive = false;
    std::uint32_t owner = kNobody;  // of an exclusive piece
    std::vector<std::uint8_t> state;
    std::vector<std::uint32_t> first_asker;
    [[nodiscard]] bool storing() const { return received == blocks; }
  };
  static constexpr std::uint32_t kNoReserve = kNoSlot;
  struct Reserve {
    std::uint32_t slot = kNoReserve;
    std::uint32_t blocks = 0;
  };

  [[nodiscard]] bool admits(const Open& open, const Asker& asker) const;
  [[nodiscard]] bool dead(const Open& open) const;
  [[nodiscard]] std::size_t in_the_way() const;
  [[nodiscard]] Reserve reserve() const;
  [[nodiscard]] std::uint32_t allowance(const Reserve& r, std::uint32_t slot, std::uint32_t free) const;
  [[nodiscard]] std::optional<std::uint32_t> choose_new(const Asker& asker);
  [[nodiscard]] std::optional<std::uint32_t> choose_random(const Asker& asker);
  [[nodiscard]] std::optional<std::uint32_t> choose_rarest(const Asker& asker);
  [[nodiscard]] std::optional<std::uint32_t> choose_first(const Asker& asker);
  std::uint32_t open(std::uint32_t piece);
  void close(std::uint32_t slot);
  void take_free(std::uint32_t slot, const Asker& asker, std::uint32_t n, std::vector<wire::BlockRef>& out);
  std::size_t pick_duplicates(const Asker& asker, std::size_t n, std::vector<wire::BlockRef>& out);
  void free_block(std::uint32_t slot, std::uint32_t block);
  void take_from_free(std::uint32_t slot, std::uint32_t blocks);
  [[nodiscard]] std::uint32_t phantom(const Open& o) const { return spilling_ ? 0 : piece_blocks_ - o.blocks; }

  wire::Geometry geometry_;
  PickerConfig config_;
  wire::Rng rng_;
  bool begun_ = false, spilling_, blocked_ = false;
  std::uint32_t piece_blocks_;        // of a whole piece
  std::uint32_t base_limit_, limit_;  // blocks
  std::size_t max_open_;

  wire::Bitfield have_, missing_;
  std::vector<std::uint16_t> availability_;  // seeds not counted
  std::uint32_t seeds_ = 0;
  RarityOrder order_;
  std::uint64_t news_ = 1;           // counts pieces entering order_
  std::uint32_t first_missing_ = 0;  // no missing piece before it

  std::vector<Open> open_;  // by slot
  std::vector<std::uint32_t> slot_of_, free_slots_;
  std::vector<std::uint32_t> open_order_;         // slots, oldest first
  std::vector<std::uint32_t> with_free_;          // those with free blocks, likewise
  std::uint32_t storing_ = 0, wholly_asked_ = 0;  // open pieces that are storing; that have no free block and are not
  std::uint32_t committed_ = 0;                   // blocks
};

}  // namespace lodestone::magnet
