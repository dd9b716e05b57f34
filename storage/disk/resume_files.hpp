// SPDX-License-Identifier: Apache-2.0
// What the session reads and writes in the state directory of torrents outside of any open store: which torrents can be
// resumed, their info dicts (M6), and unfinished metadata. Files are <stem>.resume and <stem>.metadata, the stem being
// the info-hash in hex; all are 0600 and replaced atomically. Blocking; not for the network thread. Unreadable is as
// absent.
#pragma once

#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "wire/base/bytes.hpp"
#include "wire/base/id.hpp"

namespace lodestone::storage {

/// Info-hashes with a resume file or unfinished metadata, sorted.
[[nodiscard]] std::vector<wire::InfoHash> resumable_torrents(const std::string& state_dir);

/// The raw info dict of an intact resume file; its SHA-1 is the info-hash.
[[nodiscard]] std::optional<wire::ByteVector> load_info_dict(const std::string& state_dir,
                                                             const wire::InfoHash& torrent);

/// Torrent::save_metadata()'s blob as it was saved; at most 64 MiB.
[[nodiscard]] std::optional<wire::ByteVector> load_metadata(const std::string& state_dir,
                                                            const wire::InfoHash& torrent);
/// Creates the directory (0700) if need be.
[[nodiscard]] std::error_code save_metadata(const std::string& state_dir, const wire::InfoHash& torrent,
                                            wire::Bytes blob);
/// Once the metadata is complete and a store has been opened with it.
void erase_metadata(const std::string& state_dir, const wire::InfoHash& torrent);

}  // namespace lodestone::storage
