// SPDX-License-Identifier: Apache-2.0
#include "node/ops/ring_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <utility>

#include "dht/contact.hpp"
#include "node/ops/log.hpp"

namespace lodestone::node {

std::optional<RingReader> RingReader::open(const std::string& path, wire::Family family, std::size_t most) {
  const std::size_t each = dht::Contact::compact_size(family);
  UniqueFd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (!fd) return std::nullopt;
  struct stat info{};
  if (::fstat(fd.fd(), &info) != 0 || !S_ISREG(info.st_mode)) return std::nullopt;
  const auto size = static_cast<std::uint64_t>(std::max<off_t>(info.st_size, 0));
  if (size % each != 0) {
    log::warn("{} is not used: no whole number of contacts", path);
    return std::nullopt;
  }
  if (size / each > most) log::warn("{} holds {} contacts; the ring has room for {} of them", path, size / each, most);
  (void)::posix_fadvise(fd.fd(), 0, 0, POSIX_FADV_SEQUENTIAL);
  return RingReader{path, std::move(fd), each, std::min(static_cast<std::size_t>(size), most * each)};
}

wire::ByteVector RingReader::next(std::size_t contacts) {
  wire::ByteVector slice(std::min(left_, contacts * each_));
  std::size_t done = 0;
  while (done < slice.size()) {
    const ssize_t n = ::read(fd_.fd(), slice.data() + done, slice.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      // Shorter than it was, or broken: what has come is good.
      log::warn("{} is read in part: {}", path_, n < 0 ? last_error().message() : "it has become shorter");
      slice.resize(done / each_ * each_);
      left_ = slice.size();
      break;
    }
    done += static_cast<std::size_t>(n);
  }
  left_ -= slice.size();
  return slice;
}

}  // namespace lodestone::node
