// SPDX-License-Identifier: Apache-2.0
// The torrent's byte stream over a FileSet: reads and writes of stretches that may span files, and hashes. Pads are
// never written and read as zeros (D2). Stateless, any thread.
#pragma once

#include <cstdint>
#include <span>

#include "storage/disk/file_set.hpp"
#include "wire/base/hash.hpp"

namespace lodestone::storage {

/// Words for a person: what went wrong and where.
[[nodiscard]] Trouble trouble_with(const FileSet& files, std::uint32_t file, const std::error_code& code);
[[nodiscard]] Trouble trouble_with(const FileSet& files, StateBlob blob, const std::error_code& code);

/// True of the errors that say: the bytes are simply not there.
[[nodiscard]] bool is_absence(const Trouble& trouble);

/// `data` is the stream from `offset` on, in any number of spans; one FileSet::write per file.
[[nodiscard]] Trouble write_stream(FileSet& files, const Layout& layout, std::uint64_t offset,
                                   std::span<const wire::Bytes> data);
/// Fills `out` from `offset` on.
[[nodiscard]] Trouble read_stream(FileSet& files, const Layout& layout, std::uint64_t offset, wire::MutableBytes out);

/// Digest of what the files hold of a piece. `buffer` is working space, not empty.
struct PieceDigest {
  wire::Sha1Digest digest{};
  Trouble trouble;
};
[[nodiscard]] PieceDigest hash_piece(FileSet& files, const Layout& layout, wire::PieceIndex piece,
                                     wire::MutableBytes buffer);

}  // namespace lodestone::storage
