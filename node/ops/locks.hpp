// SPDX-License-Identifier: Apache-2.0
// Lock files (D6). The lock is the kernel's (an open-file-description lock), so it ends with its process however that
// ends, and a file left behind by a dead one is no obstacle; the pid in the file is for people. Two sessions of one
// process exclude each other like two processes.
#pragma once

#include <sys/types.h>

#include <expected>
#include <optional>
#include <string>
#include <system_error>

#include "node/net/fd.hpp"

namespace lodestone::node {

struct LockFailure {
  std::error_code error;     // set: the file could not be opened or locked at all
  std::optional<pid_t> pid;  // not an error: somebody holds it, this process by its own account
  [[nodiscard]] bool held() const { return !error; }
  [[nodiscard]] std::string text() const;  // "locked by process 1234"
};

/// Held while this object lives. The file is removed at the end.
class FileLock {
 public:
  [[nodiscard]] static std::expected<FileLock, LockFailure> take(const std::string& path);
  FileLock(FileLock&&) noexcept = default;
  FileLock& operator=(FileLock&&) = delete;
  ~FileLock();

 private:
  FileLock(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  UniqueFd fd_;
  std::string path_;
};

/// Whether somebody holds it now; takes nothing.
[[nodiscard]] bool is_locked(const std::string& path);

}  // namespace lodestone::node
