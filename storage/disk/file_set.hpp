// SPDX-License-Identifier: Apache-2.0
// The files of one torrent and its three state blobs, behind an interface with three implementations: POSIX files (opened
// below a directory handle, symlinks never followed out of the root, D1), memory (simulator, tests) and faulty (tests).
// Thread-safe: several workers may read and write different ranges at once.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include "storage/plan/job.hpp"
#include "wire/base/bytes.hpp"

namespace lodestone::storage {

struct FileStat {
  bool exists = false;
  bool regular = true;
  std::uint64_t size = 0;
  std::int64_t mtime_ns = 0;
};

/// Snapshot: replaced atomically. Journal: appended. Scratch: blocks of open large pieces.
enum class StateBlob : std::uint8_t { snapshot, journal, scratch };

class FileSet {
 public:
  virtual ~FileSet() = default;

  // --- payload files; `file` is the index in the layout ---
  virtual void set_layout(std::shared_ptr<const Manifest> manifest) = 0;
  [[nodiscard]] virtual std::error_code stat(std::uint32_t file, FileStat& out) = 0;
  /// Creates directories and the file if need be (sparse, at no particular size).
  [[nodiscard]] virtual std::error_code create(std::uint32_t file) = 0;
  [[nodiscard]] virtual std::error_code resize(std::uint32_t file, std::uint64_t size) = 0;
  /// Gathers into one pwritev where it can. Creates the file if need be.
  [[nodiscard]] virtual std::error_code write(std::uint32_t file, std::uint64_t offset,
                                              std::span<const wire::Bytes> data) = 0;
  /// All or an error; a short file is an error (no_data).
  [[nodiscard]] virtual std::error_code read(std::uint32_t file, std::uint64_t offset, wire::MutableBytes out) = 0;
  /// fdatasync every file written since the last call.
  [[nodiscard]] virtual std::error_code sync() = 0;
  virtual void close() = 0;
  /// For messages to a person.
  [[nodiscard]] virtual std::string path(std::uint32_t file) const = 0;

  // --- state ---
  /// nullopt: no such blob (or unreadable: costs a re-check, never a crash).
  [[nodiscard]] virtual std::optional<wire::ByteVector> load(StateBlob blob) = 0;
  /// Temporary file, fsync, rename.
  [[nodiscard]] virtual std::error_code replace(StateBlob blob, wire::Bytes content) = 0;
  /// Plain append, no fsync.
  [[nodiscard]] virtual std::error_code append(StateBlob blob, wire::Bytes content) = 0;
  virtual void erase(StateBlob blob) = 0;
  /// Random access to the scratch blob.
  [[nodiscard]] virtual std::error_code write_scratch(std::uint64_t offset, std::span<const wire::Bytes> data) = 0;
  [[nodiscard]] virtual std::error_code read_scratch(std::uint64_t offset, wire::MutableBytes out) = 0;
};

/// Files below `root` (created if need be), state blobs as `state_dir`/<stem>.{resume,journal,scratch}.
[[nodiscard]] std::unique_ptr<FileSet> make_posix_files(std::string root, std::string state_dir, std::string stem);

}  // namespace lodestone::storage
