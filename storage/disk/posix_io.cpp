// SPDX-License-Identifier: Apache-2.0
#include "storage/disk/posix_io.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>

#include <limits.h>

namespace lodestone::storage::posix {
namespace {

constexpr std::size_t kCopyChunk = 256 * 1024;
static_assert(IOV_MAX >= 256);
constexpr std::size_t kVector = 256;  // 4 MiB of blocks: the longest piece that is assembled in memory

}  // namespace

void Fd::reset() {
  // An error of close() could only repeat what fdatasync has said or nobody asked for.
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

std::error_code last_error() { return {errno, std::generic_category()}; }
std::error_code no_data() { return std::make_error_code(std::errc::no_message_available); }

std::error_code write_all(int fd, std::uint64_t offset, std::span<const wire::Bytes> data) {
  std::array<iovec, kVector> vector;
  std::size_t done_in_first = 0;  // bytes of data[0] that are written already
  while (!data.empty()) {
    std::size_t count = 0;
    for (; count < std::min(data.size(), kVector); ++count) {
      const std::size_t skip = count == 0 ? done_in_first : 0;
      // writev takes a pointer to non-const for history's sake; it does not write there.
      vector[count] = {const_cast<std::uint8_t*>(data[count].data()) + skip, data[count].size() - skip};
    }
    ssize_t n = ::pwritev(fd, vector.data(), static_cast<int>(count), static_cast<off_t>(offset));
    if (n < 0) {
      if (errno == EINTR) continue;
      return last_error();
    }
    offset += static_cast<std::uint64_t>(n);
    auto left = static_cast<std::size_t>(n);
    bool moved = n > 0;
    while (!data.empty() && left >= data.front().size() - done_in_first) {
      left -= data.front().size() - done_in_first;
      done_in_first = 0;
      data = data.subspan(1);
      moved = true;
    }
    done_in_first += left;
    if (!moved) return std::make_error_code(std::errc::no_space_on_device);  // nothing written and no reason given
  }
  return {};
}

std::error_code read_all(int fd, std::uint64_t offset, wire::MutableBytes out) {
  while (!out.empty()) {
    const ssize_t n = ::pread(fd, out.data(), out.size(), static_cast<off_t>(offset));
    if (n < 0) {
      if (errno == EINTR) continue;
      return last_error();
    }
    if (n == 0) return no_data();
    out = out.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
  return {};
}

std::error_code copy_range(int from, std::uint64_t from_offset, int to, std::uint64_t to_offset, std::uint64_t length) {
  wire::ByteVector buffer(static_cast<std::size_t>(std::min<std::uint64_t>(length, kCopyChunk)));
  while (length > 0) {
    const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(length, buffer.size()));
    const wire::MutableBytes chunk{buffer.data(), n};
    if (const auto code = read_all(from, from_offset, chunk)) return code;
    const wire::Bytes data = chunk;
    if (const auto code = write_all(to, to_offset, {&data, 1})) return code;
    from_offset += n;
    to_offset += n;
    length -= n;
  }
  return {};
}

std::error_code make_directories(const std::string& path, unsigned mode) {
  for (std::size_t at = 1; at <= path.size(); ++at) {
    if (at != path.size() && path[at] != '/') continue;
    const std::string prefix = path.substr(0, at);
    // Only the missing ones are asked for: on a read-only file system mkdir of an existing one is an error.
    struct stat st;
    if (::stat(prefix.c_str(), &st) == 0) {
      if (!S_ISDIR(st.st_mode)) return std::make_error_code(std::errc::not_a_directory);
      continue;
    }
    if (::mkdir(prefix.c_str(), static_cast<mode_t>(mode)) != 0 && errno != EEXIST) return last_error();
  }
  return {};
}

std::optional<wire::ByteVector> read_file(int directory, const std::string& name, std::uint64_t limit) {
  const Fd fd{::openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)};
  struct stat st;
  if (!fd || ::fstat(fd.value(), &st) != 0 || !S_ISREG(st.st_mode)) return std::nullopt;
  if (static_cast<std::uint64_t>(st.st_size) > limit) return std::nullopt;
  wire::ByteVector out(static_cast<std::size_t>(st.st_size));
  if (read_all(fd.value(), 0, out)) return std::nullopt;
  return out;
}

std::error_code replace_file(int directory, const std::string& name, wire::Bytes content) {
  const std::string temporary = name + ".tmp";
  // A leftover of a run that was killed goes first: whatever it is, it is not written through.
  if (::unlinkat(directory, temporary.c_str(), 0) != 0 && errno != ENOENT) return last_error();
  const Fd fd{::openat(directory, temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)};
  if (!fd) return last_error();
  std::error_code code = write_all(fd.value(), 0, {&content, 1});
  if (!code && ::fsync(fd.value()) != 0) code = last_error();
  if (!code && ::renameat(directory, temporary.c_str(), directory, name.c_str()) != 0) code = last_error();
  if (code) {
    ::unlinkat(directory, temporary.c_str(), 0);
    return code;
  }
  // The directory may be an O_PATH handle, which cannot be synced. The new content is in place whatever comes of this;
  // an error here may only cost it a power failure, after which the old content is as good.
  const Fd synced{::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (synced) static_cast<void>(::fsync(synced.value()) == 0);
  return {};
}

}  // namespace lodestone::storage::posix
