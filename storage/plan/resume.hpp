// SPDX-License-Identifier: Apache-2.0
// What a store remembers across restarts (D3), as bytes and back. Pure. Two blobs:
//
//   snapshot   bencode, replaced atomically: { "body": {...}, "sha1": digest of the body's bytes }, the body being
//                check       bitfield, pieces that must be hashed before they count
//                clean       1 after a Close: nothing was left unsynced and "files" is there
//                files       16 B a file: size and mtime in ns, big-endian; size 2^64-1: no such file
//                foreign     1 while files may hold something else and no piece has matched yet
//                generation  number of this snapshot; binds the journal to it
//                have        bitfield, pieces that are trusted as they are
//                info        the raw info dict (M6)
//                parts       bitfield over the files: bytes kept in the state directory; the file is unwanted, or
//                wanted
//                            and not yet known to be ours
//                scratch     12 B a block in the scratch file: piece, block, slot
//                version     1
//   journal    24 B records behind each other: kind, a, b, c (32 bits, big-endian), then SipHash of those 16 bytes
//   under a
//              key made of the generation. A record of another snapshot's journal does not verify.
//
// A written piece stands in the journal before anybody hears of it; one that is written but not yet synced must be
// hashed again after an unclean stop. Corruption anywhere is never an error to a caller: it costs a re-check.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <vector>

#include "wire/base/bitfield.hpp"
#include "wire/base/bytes.hpp"
#include "wire/base/geometry.hpp"
#include "wire/base/index.hpp"

namespace lodestone::storage {

/// A file as a clean stop left it.
struct FileMark {
  bool exists = false;
  std::uint64_t size = 0;
  std::int64_t mtime_ns = 0;
  friend bool operator==(const FileMark&, const FileMark&) = default;
};

/// A finished block of an open piece: at slot * piece_length + its offset in the piece.
struct SpilledBlock {
  wire::BlockRef ref;
  std::uint32_t slot = 0;
  friend bool operator==(const SpilledBlock&, const SpilledBlock&) = default;
};

struct Snapshot {
  std::uint64_t generation = 0;
  bool clean = false;
  bool foreign = false;
  wire::Bitfield have;          // over the pieces
  wire::Bitfield check;         // over the pieces; disjoint from have
  wire::Bitfield parts;         // over the files
  std::vector<FileMark> files;  // one a file when clean, else none
  std::vector<SpilledBlock> spilled;
  wire::ByteVector info_dict;
  friend bool operator==(const Snapshot&, const Snapshot&) = default;
};

enum class ResumeError : std::uint8_t { not_bencode, bad_checksum, unknown_version, bad_field };

[[nodiscard]] wire::ByteVector encode_snapshot(const Snapshot& snapshot);
/// Everything in the result is in range for that torrent.
[[nodiscard]] std::expected<Snapshot, ResumeError> decode_snapshot(wire::Bytes raw, const wire::Geometry& geometry,
                                                                   std::uint32_t file_count);
/// The raw info dict inside an intact snapshot: a view into `raw`. The caller compares its hash.
[[nodiscard]] std::optional<wire::Bytes> snapshot_info_dict(wire::Bytes raw);

struct JournalRecord {
  enum class Kind : std::uint32_t {
    written = 1,  // a: piece. Verified and given to the kernel
    synced = 2,   // a, b: the b written-records from the a-th on are on the disk
    lost = 3,     // a: piece. Hashed and found bad, or gone
    spilled = 4,  // a: piece, b: block, c: slot
    dropped = 5,  // a: piece. Its spilled blocks were bad
  };
  Kind kind = Kind::written;
  std::uint32_t a = 0, b = 0, c = 0;
  friend bool operator==(const JournalRecord&, const JournalRecord&) = default;
};
inline constexpr std::size_t kJournalRecordSize = 24;

[[nodiscard]] std::array<std::uint8_t, kJournalRecordSize> encode_record(std::uint64_t generation,
                                                                         const JournalRecord& record);

struct Journal {
  std::vector<JournalRecord> records;  // up to the first that does not verify
  bool torn = false;                   // a part of one record followed: that one never counted
  bool damaged = false;                // more than that followed: whatever it said is lost
};
/// A journal of the snapshot before this one is as good as none.
[[nodiscard]] Journal decode_journal(wire::Bytes raw, std::uint64_t generation);

/// Snapshot and journal put together.
struct ResumeState {
  bool usable = false;   // there was an intact snapshot of this very torrent; else nothing below is set but `unknown`
  bool clean = false;    // the snapshot's marks hold
  bool foreign = false;  // see Snapshot; false as soon as the journal has a written piece
  bool unknown = false;  // pieces in neither set may be on disk none the less (no state, damage): look
  std::uint64_t generation = 0;
  wire::Bitfield have;  // over the pieces, also when not usable
  wire::Bitfield check;
  wire::Bitfield parts;  // over the files
  std::vector<FileMark> files;
  std::vector<SpilledBlock> spilled;  // ordered by piece and block; one slot a piece, one piece a slot
};
[[nodiscard]] ResumeState merge(const std::optional<wire::ByteVector>& snapshot,
                                const std::optional<wire::ByteVector>& journal, const wire::Geometry& geometry,
                                std::uint32_t file_count, wire::Bytes info_dict);

}  // namespace lodestone::storage
