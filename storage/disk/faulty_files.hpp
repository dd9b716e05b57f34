// SPDX-License-Identifier: Apache-2.0
// A FileSet that passes everything on to another one and fails where it is told to: the n-th call of an operation,
// every call, or when the disk is full. A write that fails leaves half of its bytes, as a real one may. Thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <system_error>

#include "storage/disk/file_set.hpp"

namespace lodestone::storage {

enum class FileOp : std::uint8_t {
  stat,
  data_ranges,
  create,
  resize,
  remove,
  write,
  read,
  adopt,
  sync,
  replace,
  append,
  write_scratch,
  read_scratch
};
inline constexpr std::size_t kFileOps = 13;

/// The plan, shared by the test and the file set.
class Faults {
 public:
  static constexpr std::uint64_t kForEver = ~std::uint64_t{0};
  static constexpr std::uint64_t kNoLimit = ~std::uint64_t{0};

  /// Calls number nth (1: the next one) to nth + times - 1 of `op` from now on fail.
  void fail(FileOp op, std::errc code, std::uint64_t nth = 1, std::uint64_t times = 1);
  /// So many more bytes fit (payload, journal, scratch, snapshots); then ENOSPC.
  void limit_space(std::uint64_t bytes);
  /// Everything works again.
  void heal();
  /// Calls of `op` so far.
  [[nodiscard]] std::uint64_t calls(FileOp op) const;

 private:
  friend class FaultyFileSet;
  struct Plan {
    std::error_code code;
    std::uint64_t first = 0;  // call number
    std::uint64_t times = 0;
    std::uint64_t calls = 0;
  };
  [[nodiscard]] std::error_code check(FileOp op, std::uint64_t bytes);

  mutable std::mutex mutex_;
  std::array<Plan, kFileOps> plans_;
  std::uint64_t space_ = kNoLimit;
};

[[nodiscard]] std::unique_ptr<FileSet> make_faulty_files(std::unique_ptr<FileSet> inner,
                                                         std::shared_ptr<Faults> faults);

}  // namespace lodestone::storage
