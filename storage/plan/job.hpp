// SPDX-License-Identifier: Apache-2.0
// What can be asked of the disk and what it answers: plain values that carry everything a worker needs. A torrent makes
// jobs, storage/disk executes them (worker threads, or on the spot in the simulator), results come back as values.
// The unit of work is one whole piece: hash, then write. Nothing unverified ever reaches a user's file.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <system_error>
#include <variant>
#include <vector>

#include "storage/plan/layout.hpp"
#include "wire/base/bitfield.hpp"
#include "wire/base/block.hpp"
#include "wire/base/bytes.hpp"
#include "wire/base/hash.hpp"
#include "wire/base/index.hpp"

namespace lodestone::storage {

/// The torrent as the disk sees it. Immutable and shared by its jobs.
struct Manifest {
  Layout layout;
  std::vector<wire::Sha1Digest> pieces;  // expected digests, geometry().piece_count() of them
  wire::ByteVector info_dict;            // raw, kept in the resume file
};

namespace job {
/// Makes the store usable: reads the resume state, looks at the files, decides what is verified and what must be
/// hashed. Creates nothing but directories and (empty) wanted files.
struct Open {
  std::shared_ptr<const Manifest> manifest;
  std::vector<bool> wanted;  // per file; empty: all
  bool force = false;        // D3: take over files that hold something else
};
/// Hashes a piece that is (perhaps) on disk.
struct CheckPiece {
  wire::PieceIndex piece;
};
/// All blocks of a piece, in order. Hash, compare, write, journal "written". The blocks come home in the result.
/// `digests`: PieceStored shall carry the digest of each block, to compare with an earlier PieceCorrupt (W3).
struct StorePiece {
  wire::PieceIndex piece;
  std::vector<wire::Block> blocks;
  bool digests = false;
};
/// Finished blocks of an open piece too large for memory go to the scratch file (D4). They come home in the result.
struct Spill {
  std::vector<wire::BlockRef> refs;
  std::vector<wire::Block> blocks;
};
/// A piece whose blocks are all in the scratch file: read back, hash, compare, write, journal. `digests`: as above.
struct StoreSpilled {
  wire::PieceIndex piece;
  bool digests = false;
};
/// Serves a request: range.length <= kBlockSize; `into` comes home filled.
struct Read {
  wire::BlockRange range;
  wire::Block into;
  std::uint64_t cookie = 0;
};
/// fdatasync what was written since, then journal "synced" (D3). The torrent issues one 2 s after the first unsynced
/// PieceStored, or after 256 MiB of them, whichever comes first; not more often, it stalls the disk.
struct Sync {};
/// Clean end: sync, write the snapshot with sizes and mtimes, close the files.
struct Close {};
}  // namespace job

using Job = std::variant<job::Open, job::CheckPiece, job::StorePiece, job::Spill, job::StoreSpilled, job::Read,
                         job::Sync, job::Close>;

/// Why a job could not be done, in words for a person: "disk full", the path, errno's text.
struct Trouble {
  enum class Kind : std::uint8_t {
    none,
    disk_full,
    permission,
    read_only,
    io,
    unsafe_path,
    conflict
  } kind = Kind::none;
  std::error_code code;
  std::string path;
  [[nodiscard]] explicit operator bool() const { return kind != Kind::none; }
};
[[nodiscard]] Trouble::Kind classify(const std::error_code& code);

namespace result {
/// Data of unknown origin (D3): unless a piece in [first, last] is good it is somebody else's.
struct Foreign {
  std::string path;
  wire::PieceIndex first, last;
};
struct Opened {
  Trouble trouble;       // nothing else is valid then
  wire::Bitfield have;   // verified, trusted as they are
  wire::Bitfield check;  // must be hashed before they count (CheckPiece)
  // Pieces in neither are plainly not on disk; nothing needs to be hashed to know it.
  // Ordered by their pieces. One of which no piece is in `have` or turns out good is exit 9: store nothing before that
  // is known.
  std::vector<Foreign> foreign;
  std::vector<wire::BlockRef> spilled;  // blocks that the scratch file still holds
};
/// With trouble the piece could not be read and may be checked again.
struct PieceChecked {
  wire::PieceIndex piece;
  bool good = false;
  Trouble trouble;
};
/// `digests`: SHA-1 of each block in order, only when the job asked for them.
struct PieceStored {
  wire::PieceIndex piece;
  std::vector<wire::Block> blocks;
  std::vector<wire::Sha1Digest> digests = {};
};
/// Digest mismatch; nothing was written. `digests`: SHA-1 of each block in order, for the blame comparison (W3). After
/// StoreSpilled there are no blocks, and the scratch file has forgotten the piece; no digests either: its content was
/// gone, and nobody is to blame. Blocks that Opened.spilled named have no known source.
struct PieceCorrupt {
  wire::PieceIndex piece;
  std::vector<wire::Block> blocks;
  std::vector<wire::Sha1Digest> digests = {};
};
/// Good but not written (or, after StoreSpilled, not readable); the blocks come home, a spilled piece stays in the
/// scratch file: the caller decides when to try again.
struct PieceFailed {
  wire::PieceIndex piece;
  std::vector<wire::Block> blocks;
  Trouble trouble;
};
/// On trouble none of the blocks is in the scratch file.
struct Spilled {
  std::vector<wire::BlockRef> refs;
  std::vector<wire::Block> blocks;
  Trouble trouble;
};
struct BlockRead {
  wire::BlockRange range;
  wire::Block block;
  std::uint64_t cookie = 0;
  Trouble trouble;
};
struct Synced {
  Trouble trouble;
};
struct Closed {
  Trouble trouble;
};
}  // namespace result

using Result = std::variant<result::Opened, result::PieceChecked, result::PieceStored, result::PieceCorrupt,
                            result::PieceFailed, result::Spilled, result::BlockRead, result::Synced, result::Closed>;

/// Pieces longer than this are not assembled in memory: their blocks go through Spill and StoreSpilled.
inline constexpr std::uint32_t kMemoryPieceLimit = 4u << 20;
/// Received but not yet stored payload of one torrent stays below this (D4), pieces up to 2 MiB.
inline constexpr std::uint64_t kUnstoredLimit = 8u << 20;

}  // namespace lodestone::storage
