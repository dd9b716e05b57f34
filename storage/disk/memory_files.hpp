// SPDX-License-Identifier: Apache-2.0
// A FileSet in memory, for the simulator and the tests. The MemoryDisk is what survives: a new FileSet on the same disk
// is the process after a restart. Sparse in blocks of 4 KiB; modification times are a counter, so runs replay exactly.
// Thread-safe like every FileSet; a disk may be shared by several file sets with different stems.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "storage/disk/file_set.hpp"
#include "wire/base/bytes.hpp"

namespace lodestone::storage {

class MemoryDisk {
 public:
  // --- for tests and the simulator ---
  /// Makes or replaces a file ("root/a/b") or a state blob ("stem.resume").
  void put(const std::string& path, wire::Bytes content);
  /// Grows with a hole or cuts; makes the file.
  void truncate(const std::string& path, std::uint64_t size);
  /// A directory, a device ...: something that is no regular file.
  void put_irregular(const std::string& path);
  void remove(const std::string& path);
  [[nodiscard]] bool exists(const std::string& path) const;
  [[nodiscard]] std::optional<wire::ByteVector> content(const std::string& path) const;
  /// Bytes that are really there, in 4 KiB steps: what a sparse file costs.
  [[nodiscard]] std::uint64_t allocated(const std::string& path) const;
  /// Calls of sync() so far.
  [[nodiscard]] std::uint64_t syncs() const;

 private:
  friend class MemoryFileSet;
  static constexpr std::uint64_t kBlock = 4096;
  using Block = std::array<std::uint8_t, kBlock>;
  struct Node {
    std::map<std::uint64_t, std::unique_ptr<Block>> blocks;
    std::uint64_t size = 0;
    std::int64_t mtime_ns = 0;
    bool regular = true;
  };
  // All with the mutex held.
  [[nodiscard]] Node* find(const std::string& path);
  [[nodiscard]] const Node* find(const std::string& path) const;
  Node& make(const std::string& path);
  void write(Node& node, std::uint64_t offset, wire::Bytes data);
  [[nodiscard]] static bool read(const Node& node, std::uint64_t offset, wire::MutableBytes out);
  void resize(Node& node, std::uint64_t size);

  mutable std::mutex mutex_;
  std::map<std::string, Node> nodes_;
  std::int64_t clock_ = 0;
  std::uint64_t syncs_ = 0;
};

/// Files as "<root>/<path>", blobs as "<stem>.resume" and so on.
[[nodiscard]] std::unique_ptr<FileSet> make_memory_files(std::shared_ptr<MemoryDisk> disk, std::string root = "root",
                                                         std::string stem = "stem");

}  // namespace lodestone::storage
