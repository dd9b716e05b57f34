// SPDX-License-Identifier: Apache-2.0
#include "storage/plan/job.hpp"

#include <cerrno>

namespace lodestone::storage {

Trouble::Kind classify(const std::error_code& code) {
  using Kind = Trouble::Kind;
  if (!code) return Kind::none;
  switch (code.value()) {
    case ENOSPC:
    case EDQUOT: return Kind::disk_full;
    case EACCES:
    case EPERM: return Kind::permission;
    case EROFS: return Kind::read_only;
    // What openat2(RESOLVE_BENEATH) and O_NOFOLLOW say of a path that leaves its root or ends in a symlink.
    case EXDEV:
    case ELOOP: return Kind::unsafe_path;
    // Something of another kind stands where our file or directory belongs.
    case ENOTDIR:
    case EISDIR:
    case EEXIST: return Kind::conflict;
    default: return Kind::io;
  }
}

}  // namespace lodestone::storage
