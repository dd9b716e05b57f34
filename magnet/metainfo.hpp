// SPDX-License-Identifier: Apache-2.0
// Torrent files and info dictionaries (BEP 3, 9, 12, 19, 47, 52), checked: after parse_info() geometry, file list and
// paths are safe to use (D1, P2). Hashes are over the raw slice, never a re-encoding (M4).
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "magnet/uri.hpp"
#include "storage/plan/job.hpp"
#include "wire/base/bytes.hpp"
#include "wire/base/id.hpp"

namespace lodestone::magnet {

struct MetainfoError {
  std::string message;     // one line naming what is wrong
  std::size_t offset = 0;  // byte of the input
};

struct Info {
  std::optional<wire::InfoHash> info_hash;       // v1 or hybrid
  std::optional<wire::InfoHashV2> info_hash_v2;  // v2 or hybrid
  std::string name;                              // cleaned
  bool is_private = false;
  bool single_file = false;
  std::uint64_t piece_length = 0;
  std::vector<storage::FileEntry>
      files;  // clean unique paths (D1), offsets filled in; v2-only: tree flattened, no offsets
  std::shared_ptr<const storage::Manifest> manifest;  // null for v2-only, which nobody downloads
  [[nodiscard]] std::uint64_t total_size() const;     // without pads
  [[nodiscard]] std::uint64_t piece_count() const;
};

struct Metainfo {
  Info info;
  wire::ByteVector raw_info;                       // the info dictionary as it stands in the file
  std::vector<std::vector<std::string>> trackers;  // BEP 12 tiers
  std::vector<std::string> webseeds;
  std::vector<HostPort> nodes;
  std::optional<std::string> comment, created_by;
  std::optional<std::int64_t> created;  // Unix seconds
  bool trailing_bytes = false;          // tolerated, with a warning
  [[nodiscard]] MagnetUri magnet() const;
};

/// Raw info dictionary, exactly the bytes that hash to the info-hash.
[[nodiscard]] std::expected<Info, MetainfoError> parse_info(wire::Bytes raw);
/// A whole .torrent file.
[[nodiscard]] std::expected<Metainfo, MetainfoError> parse_torrent(wire::Bytes file);
/// A .torrent file around a raw info dict (for --metadata-only).
[[nodiscard]] wire::ByteVector wrap_info(wire::Bytes raw_info, const MagnetUri& source);

}  // namespace lodestone::magnet
