// SPDX-License-Identifier: Apache-2.0
// The system calls of storage/disk with their loops: short counts, EINTR, IOV_MAX. Errors are std::error_code in the
// generic category. Any thread; a descriptor may be used by several at once (positions are always explicit).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "wire/base/bytes.hpp"

namespace lodestone::storage::posix {

/// Owns a descriptor. Move-only.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~Fd() { reset(); }
  void reset();
  [[nodiscard]] int value() const { return fd_; }
  [[nodiscard]] explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

[[nodiscard]] std::error_code last_error();
/// What read() of a FileSet says of a file that ends too early.
[[nodiscard]] std::error_code no_data();

[[nodiscard]] std::error_code write_all(int fd, std::uint64_t offset, std::span<const wire::Bytes> data);
[[nodiscard]] std::error_code read_all(int fd, std::uint64_t offset, wire::MutableBytes out);
[[nodiscard]] std::error_code copy_range(int from, std::uint64_t from_offset, int to, std::uint64_t to_offset,
                                         std::uint64_t length);

/// mkdir -p; existing directories are left as they are. Symlinks on the way are followed: it is the user's own path.
[[nodiscard]] std::error_code make_directories(const std::string& path, unsigned mode);

/// Whole content of a regular file of at most `limit` bytes, never through a symlink; nullopt otherwise.
[[nodiscard]] std::optional<wire::ByteVector> read_file(int directory, const std::string& name, std::uint64_t limit);
/// Atomically: temporary file (0600), fsync, rename, fsync of the directory.
[[nodiscard]] std::error_code replace_file(int directory, const std::string& name, wire::Bytes content);

}  // namespace lodestone::storage::posix
