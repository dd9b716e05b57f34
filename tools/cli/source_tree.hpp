// SPDX-License-Identifier: Apache-2.0
// What a new torrent is made of: the regular files at or below a path, in an order that does not depend on the file
// system, and their hashes. For `create`, and for `seed` of a path that has no torrent yet.
#pragma once

#include <cstdint>
#include <expected>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "magnet/create.hpp"
#include "tools/cli/context.hpp"
#include "wire/base/hash.hpp"

namespace lodestone::tools {

struct SourceFile {
  std::filesystem::path path;         // where it is read
  std::vector<std::string> elements;  // below the tree's name; empty for a single file
  std::uint64_t size = 0;
  bool executable = false;
};

struct SourceTree {
  std::string name;
  std::filesystem::path parent;  // parent / name is what was given
  bool single_file = false;
  std::vector<SourceFile> files;  // sorted by their elements, byte by byte
  [[nodiscard]] std::uint64_t total() const;
};

/// Symlinks and special files are left out with a warning: storage follows none when it serves (D1), and a torrent with
/// a name that cannot be served is of no use. `except` (may be empty) is left out too: the output of an earlier run.
/// Failures: usage when there is nothing of that name, storage when it cannot be read, error when no file is in it.
[[nodiscard]] std::expected<SourceTree, Failure> scan_tree(const std::string& path, Context& context,
                                                           const std::filesystem::path& except = {});

/// SHA-1 of each piece, on as many threads as there are cores (at most 4), one megabyte of memory each. `tick` is
/// called about ten times a second on the calling thread with the bytes read so far; when it returns false, hashing
/// stops and the result is a failure of code `interrupted`. Failures: storage when a file cannot be read, error when
/// one has changed.
[[nodiscard]] std::expected<std::vector<wire::Sha1Digest>, Failure> hash_tree(
    const SourceTree& tree, std::uint64_t piece_length, const std::function<bool(std::uint64_t)>& tick);

/// Name, files, piece length (0: by size) and hashes; the rest of the spec is the caller's. Shows progress by the rules
/// of Output and warns of what scan_tree() leaves out.
[[nodiscard]] std::expected<magnet::CreateSpec, Failure> spec_of(const SourceTree& tree, std::uint64_t piece_length,
                                                                 Context& context,
                                                                 const std::function<bool()>& keep_going);

}  // namespace lodestone::tools
