// SPDX-License-Identifier: Apache-2.0
// What a running store knows of its pieces and keeps on record: which are verified and written, which of those are
// synced, which still have to be hashed, and where the scratch file holds blocks of open pieces (D3, D4). Every change
// goes to the journal; snapshots are taken at Open and Close and when the journal has grown long. Thread-safe: the jobs
// of one store share it. Invariant: a piece is had only after its record is in the journal; a snapshot taken at any
// moment, plus the journal after it, leads an unclean restart to the truth or to a re-check.
//
// A newcomer is a wanted file that was in the parts blob and stands on the disk with data that we did not write (D3).
// Until a piece of it is good it may be somebody else's, and snapshots go on saying that it is in parts: then the next
// start hashes it before anything is stored, too, and one that wants it no longer looks for its bytes in the blob. The
// snapshot that calls it ours comes before the first record of a piece that has bytes in it: such a record with the
// older snapshot would vouch for bytes in the blob that nobody has seen.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "storage/disk/file_set.hpp"
#include "storage/plan/resume.hpp"

namespace lodestone::storage {

class Ledger {
 public:
  explicit Ledger(FileSet& files) : files_(&files) {}

  /// What Open found out; takes the first snapshot. `usable`: a snapshot of `before.generation` exists, whose journal
  /// must stay until it is replaced.
  struct Beginning {
    bool usable = false;
    std::uint64_t generation = 0;
    bool foreign = false;
    wire::Bitfield have, check;
    std::vector<bool> parts;               // per file; empty: none
    std::vector<std::uint32_t> newcomers;  // files, ordered; no piece of them is in `have`
    wire::Bitfield parked;                 // their pieces that the bytes in the parts blob may make good
    std::vector<SpilledBlock> spilled;
  };
  [[nodiscard]] Trouble begin(std::shared_ptr<const Manifest> manifest, Beginning&& beginning);
  [[nodiscard]] const std::shared_ptr<const Manifest>& manifest() const { return manifest_; }

  /// The piece is verified and its bytes were given to the files. Frees its place in the scratch file.
  [[nodiscard]] Trouble written(wire::PieceIndex piece);
  /// The piece was hashed and is not good (or not there).
  [[nodiscard]] Trouble lost(wire::PieceIndex piece);
  [[nodiscard]] bool has(wire::PieceIndex piece) const;

  /// Syncs the files, then marks what was written before the call.
  [[nodiscard]] Trouble sync();
  /// Syncs and takes the clean snapshot; the files are still open.
  [[nodiscard]] Trouble finish();

  // --- scratch ---
  /// Offset of that piece's place in the scratch file; makes one, which stays until the piece is written or dropped.
  [[nodiscard]] std::uint64_t place(wire::PieceIndex piece);
  /// The blocks are in the scratch file now (at their place).
  [[nodiscard]] Trouble spilled(std::span<const wire::BlockRef> refs);
  /// Nullopt unless all blocks of the piece are there.
  [[nodiscard]] std::optional<std::uint64_t> complete_place(wire::PieceIndex piece) const;
  /// The spilled blocks are worth nothing.
  [[nodiscard]] Trouble dropped(wire::PieceIndex piece);

 private:
  struct Spilled {
    std::uint32_t slot = 0;
    std::vector<bool> blocks;
    std::uint32_t count = 0;
  };
  // All with the mutex held.
  [[nodiscard]] Trouble append(std::span<const JournalRecord> records);
  [[nodiscard]] Trouble take_snapshot(bool clean);
  [[nodiscard]] Snapshot picture(bool clean) const;
  /// The newcomers that have bytes of that piece: a stretch of newcomers_.
  [[nodiscard]] std::pair<std::size_t, std::size_t> touched(wire::PieceIndex piece) const;
  /// The newcomers that have bytes of that piece are ours.
  [[nodiscard]] Trouble settle(wire::PieceIndex piece);
  void free_slot(wire::PieceIndex piece);
  void admit(const SpilledBlock& block);

  FileSet* files_;
  std::shared_ptr<const Manifest> manifest_;

  mutable std::mutex mutex_;
  wire::Bitfield have_;      // verified and journaled
  wire::Bitfield unsynced_;  // of those, the ones that an unclean stop may lose
  wire::Bitfield pending_;   // to be hashed; disjoint from have_
  wire::Bitfield parts_;     // over the files; what snapshots say, so newcomers are in it
  std::vector<std::uint32_t> newcomers_;
  wire::Bitfield parked_;
  bool foreign_ = false;
  std::uint64_t generation_ = 0;
  std::uint64_t losses_ = 0;  // calls of lost()
  std::uint64_t journal_bytes_ = 0;
  std::uint64_t snapshot_bytes_ = 0;
  std::uint32_t records_written_ = 0;         // written-records in this journal
  std::vector<wire::PieceIndex> since_sync_;  // of those, the last ones: not yet asked to be synced
  std::map<std::uint32_t, Spilled> spilled_;  // by piece
  std::vector<bool> slots_;                   // in use
};

}  // namespace lodestone::storage
