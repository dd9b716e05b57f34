// SPDX-License-Identifier: Apache-2.0
#include "storage/disk/beneath.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include <limits.h>

namespace lodestone::storage::posix {
namespace {

int openat2(int directory, const char* path, int flags, unsigned mode) {
  open_how how{};
  how.flags = static_cast<unsigned>(flags | O_CLOEXEC);
  how.mode = (flags & O_CREAT) != 0 ? mode : 0;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  // EAGAIN: somebody renamed a directory while the kernel looked; it asks for another try.
  for (int i = 0; i < 16; ++i) {
    const long fd = ::syscall(SYS_openat2, directory, path, &how, sizeof how);
    if (fd >= 0 || (errno != EAGAIN && errno != EINTR)) return static_cast<int>(fd);
  }
  return -1;
}

/// Once per process: a filter may answer ENOSYS or EPERM.
bool kernel_has_openat2() {
  static const bool has = static_cast<bool>(Fd{openat2(AT_FDCWD, ".", O_PATH | O_DIRECTORY, 0)});
  return has;
}

bool plain(const std::string& element) {
  return !element.empty() && element != "." && element != ".." && element.find('/') == std::string::npos &&
         element.find('\0') == std::string::npos;
}

std::string join(const Beneath::Path& path, std::size_t depth) {
  std::string out;
  for (std::size_t i = 0; i < depth; ++i) {
    if (i != 0) out += '/';
    out += path[i];
  }
  return out;
}

bool is_symlink(int directory, const std::string& name) {
  struct stat st;
  return ::fstatat(directory, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
}

}  // namespace

Beneath::Beneath(std::string root, bool use_openat2) : root_(std::move(root)), use_openat2_(use_openat2) {}

std::expected<std::shared_ptr<Fd>, std::error_code> Beneath::root_handle() {
  const std::lock_guard lock{mutex_};
  if (!handle_) {
    Fd fd{::open(root_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
    if (!fd) return std::unexpected(last_error());
    handle_ = std::make_shared<Fd>(std::move(fd));
  }
  return handle_;
}

std::expected<Fd, std::error_code> Beneath::walk(int root, const Path& path, std::size_t depth, int flags,
                                                 unsigned mode) const {
  Fd directory;
  int at = root;
  for (std::size_t i = 0; i + 1 < depth; ++i) {
    Fd next{::openat(at, path[i].c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
    if (!next) {
      const auto code = last_error();
      if (is_symlink(at, path[i]))
        return std::unexpected(std::make_error_code(std::errc::too_many_symbolic_link_levels));
      return std::unexpected(code);
    }
    directory = std::move(next);
    at = directory.value();
  }
  const std::string& last = path[depth - 1];
  Fd fd{::openat(at, last.c_str(), flags | O_NOFOLLOW | O_CLOEXEC, static_cast<mode_t>(mode))};
  if (!fd) {
    const auto code = last_error();
    if ((flags & O_DIRECTORY) != 0 && is_symlink(at, last))
      return std::unexpected(std::make_error_code(std::errc::too_many_symbolic_link_levels));
    return std::unexpected(code);
  }
  return fd;
}

std::expected<Fd, std::error_code> Beneath::open(const Path& path, int flags, unsigned mode) {
  // The paths are clean when they come out of the metainfo; that they are stays our own business here.
  if (path.empty() || !std::all_of(path.begin(), path.end(), plain))
    return std::unexpected(std::make_error_code(std::errc::cross_device_link));
  const auto root = root_handle();
  if (!root) return std::unexpected(root.error());
  const std::string joined = join(path, path.size());
  if (!use_openat2_ || !kernel_has_openat2() || joined.size() >= PATH_MAX)
    return walk((*root)->value(), path, path.size(), flags, mode);
  Fd fd{openat2((*root)->value(), joined.c_str(), flags, mode)};
  if (!fd) return std::unexpected(last_error());
  return fd;
}

std::expected<Fd, std::error_code> Beneath::open_directory(const Path& path, std::size_t depth) {
  const Path prefix(path.begin(), path.begin() + static_cast<std::ptrdiff_t>(depth));
  return open(prefix, O_PATH | O_DIRECTORY);
}

std::error_code Beneath::make_parents(const Path& path) {
  if (!std::all_of(path.begin(), path.end(), plain)) return std::make_error_code(std::errc::cross_device_link);
  if (!root_handle()) {
    if (const auto code = make_directories(root_, 0777)) return code;
  }
  const auto root = root_handle();
  if (!root) return root.error();
  Fd parent;
  for (std::size_t depth = 1; depth < path.size(); ++depth) {
    auto directory = open_directory(path, depth);
    if (!directory && directory.error() == std::errc::no_such_file_or_directory) {
      const int at = depth == 1 ? (*root)->value() : parent.value();
      if (::mkdirat(at, path[depth - 1].c_str(), 0777) != 0 && errno != EEXIST) return last_error();
      directory = open_directory(path, depth);
    }
    if (!directory) return directory.error();
    parent = std::move(*directory);
  }
  return {};
}

std::error_code Beneath::unlink(const Path& path) {
  if (path.empty() || !std::all_of(path.begin(), path.end(), plain))
    return std::make_error_code(std::errc::cross_device_link);
  const auto root = root_handle();
  if (!root) return root.error();
  Fd parent;
  if (path.size() > 1) {
    auto directory = open_directory(path, path.size() - 1);
    if (!directory) return directory.error();
    parent = std::move(*directory);
  }
  const int at = parent ? parent.value() : (*root)->value();
  if (::unlinkat(at, path.back().c_str(), 0) != 0) return last_error();
  return {};
}

void Beneath::close() {
  const std::lock_guard lock{mutex_};
  handle_.reset();
}

}  // namespace lodestone::storage::posix
