// SPDX-License-Identifier: Apache-2.0
// TARGET of cli.md: 40- or 64-digit hex, base32 info-hash, magnet link, path of a .torrent file, and '-' (stdin) where
// a command says so. What looks like a hash or a link is one; a file of such a name is reached as ./name.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "magnet/metainfo.hpp"
#include "magnet/uri.hpp"
#include "tools/cli/context.hpp"
#include "wire/base/bytes.hpp"

namespace lodestone::tools {

struct Target {
  std::string subject;                       // short, for messages: the path, "-" or the hash
  magnet::MagnetUri uri;                     // of a file too: hashes, name, trackers, nodes
  std::optional<magnet::Metainfo> torrent;   // only of a file (raw_info is in it)
  std::shared_ptr<const magnet::Info> info;  // likewise, as TorrentSpec wants it
};

/// Largest .torrent file that is read.
inline constexpr std::uint64_t kMaxTorrentFile = 128u << 20;

/// Reads a file; "-" is context.in when allowed. Failures: usage when it is not there, storage when it cannot be read
/// or is no regular file or pipe, bad_input when it is larger than `limit`.
[[nodiscard]] std::expected<wire::ByteVector, Failure> read_input(const std::string& path, Context& context,
                                                                  bool allow_stdin, std::uint64_t limit);

/// Warns of trailing bytes. Failures: bad_input with what is wrong and where; else as read_input().
[[nodiscard]] std::expected<Target, Failure> read_target(const std::string& text, Context& context,
                                                         bool allow_stdin = false);
/// The same when it must be a .torrent file.
[[nodiscard]] std::expected<Target, Failure> read_torrent(const std::string& path, Context& context,
                                                          bool allow_stdin = false);

}  // namespace lodestone::tools
