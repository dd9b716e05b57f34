// SPDX-License-Identifier: Apache-2.0
// Names below a directory handle (D1). With openat2(RESOLVE_BENEATH) the kernel refuses what leaves the root, and
// symlinked directories that stay inside are followed; where it is missing (old kernels, seccomp) a walk refuses every
// symlink. The root itself is the user's own path and may be a symlink. Any thread.
#pragma once

#include <expected>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <vector>

#include "storage/disk/posix_io.hpp"

namespace lodestone::storage::posix {

class Beneath {
 public:
  using Path = std::vector<std::string>;
  /// `use_openat2` false: always walk (tests).
  Beneath(std::string root, bool use_openat2);

  /// Opens with O_CLOEXEC; say O_NOFOLLOW in `flags` for files. An unclean element is cross_device_link, as is what
  /// leaves the root; a symlink in the walk or at the end is too_many_symbolic_link_levels.
  [[nodiscard]] std::expected<Fd, std::error_code> open(const Path& path, int flags, unsigned mode = 0);
  /// The root (mkdir -p) and the directories in front of path's last element.
  [[nodiscard]] std::error_code make_parents(const Path& path);
  [[nodiscard]] std::error_code unlink(const Path& path);
  [[nodiscard]] const std::string& root() const { return root_; }
  /// Forgets the handle of the root.
  void close();

 private:
  [[nodiscard]] std::expected<std::shared_ptr<Fd>, std::error_code> root_handle();
  [[nodiscard]] std::expected<Fd, std::error_code> open_directory(const Path& path, std::size_t depth);
  [[nodiscard]] std::expected<Fd, std::error_code> walk(int root, const Path& path, std::size_t depth, int flags,
                                                        unsigned mode) const;

  std::string root_;
  bool use_openat2_;
  std::mutex mutex_;
  std::shared_ptr<Fd> handle_;  // guarded by mutex_
};

}  // namespace lodestone::storage::posix
