// SPDX-License-Identifier: Apache-2.0
#include "node/ops/locks.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <string_view>
#include <utility>

namespace lodestone::node {
namespace {

flock whole_file() {
  flock lock{};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return lock;
}

/// A lock on a file that was meanwhile removed or replaced protects nothing.
bool still_named(int fd, const std::string& path) {
  struct stat held{};
  struct stat named{};
  return ::fstat(fd, &held) == 0 && ::stat(path.c_str(), &named) == 0 && held.st_ino == named.st_ino &&
         held.st_dev == named.st_dev;
}

std::optional<pid_t> read_pid(int fd) {
  std::array<char, 32> text{};
  const ssize_t n = ::pread(fd, text.data(), text.size(), 0);
  if (n <= 0) return std::nullopt;
  pid_t pid = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + n, pid);
  if (error != std::errc{} || pid <= 0) return std::nullopt;
  return pid;
}

void write_pid(int fd) {
  const std::string text = std::to_string(::getpid()) + "\n";
  // For people only: a full disk must not keep anybody from locking.
  if (::ftruncate(fd, 0) != 0 || ::pwrite(fd, text.data(), text.size(), 0) < 0) return;
}

}  // namespace

std::string LockFailure::text() const {
  if (error) return error.message();
  return pid ? "locked by process " + std::to_string(*pid) : "locked by another process";
}

std::expected<FileLock, LockFailure> FileLock::take(const std::string& path) {
  for (;;) {
    UniqueFd fd{::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)};
    if (!fd) return std::unexpected(LockFailure{last_error(), std::nullopt});
    flock lock = whole_file();
    if (::fcntl(fd.fd(), F_OFD_SETLK, &lock) != 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN && errno != EACCES) return std::unexpected(LockFailure{last_error(), std::nullopt});
      return std::unexpected(LockFailure{{}, read_pid(fd.fd())});
    }
    if (!still_named(fd.fd(), path)) continue;  // its holder removed it between our open and our lock
    write_pid(fd.fd());
    return FileLock{std::move(fd), path};
  }
}

FileLock::~FileLock() {
  // Removed while still held: whoever has it open already will see that its name is gone and try again.
  if (fd_) ::unlink(path_.c_str());
}

bool is_locked(const std::string& path) {
  const UniqueFd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
  if (!fd) return false;
  flock lock = whole_file();
  return ::fcntl(fd.fd(), F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

}  // namespace lodestone::node
