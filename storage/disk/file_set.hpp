// SPDX-License-Identifier: Apache-2.0
// The files of one torrent and its state blobs, behind an interface with three implementations: POSIX files (opened
// below a directory handle, symlinks never followed out of the root, D1), memory (simulator, tests) and faulty (tests).
// Thread-safe: several workers may read and write different ranges at once. The exceptions are set_layout, set_parts
// and close, which only Open and Close call, alone.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <utility>
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

/// Bytes [begin, end) of a file.
struct ByteRange {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  friend bool operator==(const ByteRange&, const ByteRange&) = default;
};

/// Snapshot: replaced atomically. Journal: appended. Scratch: blocks of open large pieces. Parts: what pieces shared
/// with wanted files have in unwanted files, which are never created; a byte's offset in it is its offset in the
/// torrent.
enum class StateBlob : std::uint8_t { snapshot, journal, scratch, parts };
inline constexpr std::size_t kStateBlobs = 4;

class FileSet {
 public:
  virtual ~FileSet() = default;

  // --- payload files; `file` is the index in the layout; pads are never named ---
  virtual void set_layout(std::shared_ptr<const Manifest> manifest) = 0;
  /// For these files every function below works on their stretch of the parts blob instead; `stat` then says how far
  /// that reaches, with mtime 0. Empty: none.
  virtual void set_parts(std::vector<bool> parts) = 0;
  /// Absence is no error. A symlink, or a path that leaves the root: too_many_symbolic_link_levels, cross_device_link.
  [[nodiscard]] virtual std::error_code stat(std::uint32_t file, FileStat& out) = 0;
  /// Where the file has data, in order; what lies between and up to its size are holes and reads as zeros. May say data
  /// where zeros are, never the other way round.
  [[nodiscard]] virtual std::error_code data_ranges(std::uint32_t file, std::vector<ByteRange>& out) = 0;
  /// Creates directories and the file if need be (sparse, at no particular size).
  [[nodiscard]] virtual std::error_code create(std::uint32_t file) = 0;
  [[nodiscard]] virtual std::error_code resize(std::uint32_t file, std::uint64_t size) = 0;
  /// Unlinks what stands there; never a directory (is_a_directory).
  [[nodiscard]] virtual std::error_code remove(std::uint32_t file) = 0;
  /// Gathers into one pwritev where it can. Creates the file if need be.
  [[nodiscard]] virtual std::error_code write(std::uint32_t file, std::uint64_t offset,
                                              std::span<const wire::Bytes> data) = 0;
  /// All or an error; a short file is an error (no_message_available, that is ENODATA), a missing one too.
  [[nodiscard]] virtual std::error_code read(std::uint32_t file, std::uint64_t offset, wire::MutableBytes out) = 0;
  /// Copies [offset, offset + length) of a file that is no longer in parts from the parts blob into it.
  [[nodiscard]] virtual std::error_code adopt(std::uint32_t file, std::uint64_t offset, std::uint64_t length) = 0;
  /// The next sync() includes that file though this process did not write to it.
  virtual void mark_dirty(std::uint32_t file) = 0;
  /// fdatasync every file written since the last call, the journal too. On an error all of them stay to be synced.
  [[nodiscard]] virtual std::error_code sync() = 0;
  virtual void close() = 0;
  /// For messages to a person.
  [[nodiscard]] virtual std::string path(std::uint32_t file) const = 0;
  [[nodiscard]] virtual std::string path(StateBlob blob) const = 0;

  // --- state ---
  /// nullopt: no such blob (or unreadable: costs a re-check, never a crash).
  [[nodiscard]] virtual std::optional<wire::ByteVector> load(StateBlob blob) = 0;
  /// Temporary file, fsync, rename.
  [[nodiscard]] virtual std::error_code replace(StateBlob blob, wire::Bytes content) = 0;
  /// Plain append to the journal, no fsync; after an error nothing of it is there. Only after erase() of the old one.
  [[nodiscard]] virtual std::error_code append(StateBlob blob, wire::Bytes content) = 0;
  virtual void erase(StateBlob blob) = 0;
  /// Random access to the scratch blob; read: all or an error.
  [[nodiscard]] virtual std::error_code write_scratch(std::uint64_t offset, std::span<const wire::Bytes> data) = 0;
  [[nodiscard]] virtual std::error_code read_scratch(std::uint64_t offset, wire::MutableBytes out) = 0;
};

/// Files below `root` (created if need be), state blobs as `state_dir`/<stem>.{resume,journal,scratch,parts}.
[[nodiscard]] std::unique_ptr<FileSet> make_posix_files(std::string root, std::string state_dir, std::string stem);

}  // namespace lodestone::storage
