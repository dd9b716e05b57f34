// SPDX-License-Identifier: Apache-2.0
// What Open decides (D3): looks at the resume state and at the files, and says which pieces are trusted, which must be
// hashed and which are plainly absent, and whether somebody else's files are in the way. Changes nothing on disk
// except, with force, what is in the way; hashes nothing. What has to be carried from the parts blob into files is
// told, not done: only when a snapshot says that those files are ours may they have data.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "storage/disk/file_set.hpp"
#include "storage/plan/resume.hpp"

namespace lodestone::storage {

/// A stretch of a file that was unwanted, is wanted now, and has bytes in the parts blob.
struct Carry {
  std::uint32_t file = 0;
  std::uint64_t offset = 0;  // in the file
  std::uint64_t length = 0;
};

struct Survey {
  Trouble trouble;       // conflict, unsafe path ...; the rest is then not valid
  wire::Bitfield have;   // over the pieces
  wire::Bitfield check;  // disjoint from have
  // What may be somebody else's. Without usable state it is one entry over all pieces: whether the torrent is there at
  // all. Else it is each newcomer that no piece speaks for yet.
  std::vector<result::Foreign> foreign;
  bool stateless = false;  // nothing that we know vouches for what the files hold
  // Wanted files that were in the parts blob and stand on the disk with data that we did not write. What they hold is
  // hashed, nothing is carried into them.
  std::vector<std::uint32_t> newcomers;
  wire::Bitfield parked;              // their pieces that the bytes in the parts blob may make good
  std::vector<bool> parts;            // per file: bytes go to the parts blob
  std::vector<Carry> carry;           // for FileSet::adopt(); their pieces are in `check`
  std::vector<std::uint32_t> absent;  // wanted files that do not exist yet
  std::vector<SpilledBlock> spilled;
};

/// `wanted` has one entry a file. Sets the file set's parts as the result has them.
[[nodiscard]] Survey survey(FileSet& files, const Manifest& manifest, const ResumeState& resume,
                            const std::vector<bool>& wanted, bool force);

}  // namespace lodestone::storage
