// SPDX-License-Identifier: Apache-2.0
// Making .torrent files (BEP 3): the pure part. Whoever has read and hashed the files (tools, on threads of its own)
// fills in a CreateSpec and gets the bytes. Same spec, same bytes.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "magnet/uri.hpp"
#include "wire/base/bytes.hpp"
#include "wire/base/hash.hpp"

namespace lodestone::magnet {

struct CreateFile {
  std::vector<std::string> path;  // below the torrent's name
  std::uint64_t size = 0;         // bytes
  bool executable = false;        // BEP 47
};

struct CreateSpec {
  std::string name;
  bool single_file = false;       // files has one entry, whose path is not used
  std::vector<CreateFile> files;  // in the order of the stream
  std::uint64_t piece_length = 0;
  std::vector<wire::Sha1Digest> pieces;
  bool is_private = false;
  std::vector<std::vector<std::string>> trackers;  // BEP 12 tiers
  std::vector<std::string> webseeds;
  std::vector<HostPort> nodes;
  std::optional<std::string> comment, created_by;
  std::optional<std::int64_t> created;  // Unix seconds
};

/// A power of two from 16 KiB to 16 MiB that gives some 2,000 pieces; larger only where 2 million pieces of 16 MiB
/// would not do.
[[nodiscard]] std::uint64_t choose_piece_length(std::uint64_t total);

/// Canonical bencode. The error is a cause for a person: a name that our own parser would not read back as it is, sizes
/// that are no geometry, a number of digests that does not fit.
[[nodiscard]] std::expected<wire::ByteVector, std::string> encode_torrent(const CreateSpec& spec);

}  // namespace lodestone::magnet
