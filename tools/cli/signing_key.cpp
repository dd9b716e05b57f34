// SPDX-License-Identifier: Apache-2.0
#include "tools/cli/signing_key.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "node/net/entropy.hpp"
#include "node/net/fd.hpp"

namespace lodestone::tools {
namespace {

constexpr std::size_t kLine = 2 * sizeof(dht::SigningKey::Seed) + 1;

Failure failure(ExitCode code, const std::string& path, std::string cause, std::string next_step = {}) {
  return Failure{code, path, std::move(cause), std::move(next_step)};
}

}  // namespace

std::expected<dht::SigningKey, Failure> make_signing_key(const std::string& path) {
  const node::UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file) {
    if (errno == EEXIST) return std::unexpected(failure(ExitCode::conflict, path, "it exists", "Choose another name"));
    return std::unexpected(failure(ExitCode::storage, path, std::strerror(errno)));
  }
  const dht::SigningKey::Seed seed = node::draw_seed();
  const std::string line = wire::to_hex(seed) + "\n";
  const bool written =
      ::write(file.fd(), line.data(), line.size()) == static_cast<ssize_t>(line.size()) && ::fsync(file.fd()) == 0;
  if (!written) {
    const int error = errno;
    ::unlink(path.c_str());
    return std::unexpected(failure(ExitCode::storage, path, std::strerror(error)));
  }
  return dht::SigningKey(seed);
}

std::expected<dht::SigningKey, Failure> read_signing_key(const std::string& path) {
  const node::UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  struct stat about{};
  if (!file || ::fstat(file.fd(), &about) != 0) {
    const ExitCode code = errno == ENOENT ? ExitCode::usage : ExitCode::storage;
    return std::unexpected(failure(code, path, std::strerror(errno), "`lodestone dht keygen FILE` makes a key"));
  }
  if (!S_ISREG(about.st_mode)) return std::unexpected(failure(ExitCode::bad_input, path, "no regular file"));
  if ((about.st_mode & 077) != 0)
    return std::unexpected(failure(ExitCode::storage, path, "others can read this secret", "chmod 600 it"));
  std::array<char, kLine + 1> text;
  const ssize_t n = ::read(file.fd(), text.data(), text.size());
  std::string_view line{text.data(), n > 0 ? static_cast<std::size_t>(n) : 0};
  if (line.ends_with('\n')) line.remove_suffix(1);
  const auto raw = wire::from_hex(line);
  dht::SigningKey::Seed seed;
  if (!raw || raw->size() != seed.size())
    return std::unexpected(failure(ExitCode::bad_input, path, "no signing key: 64 hex digits are expected"));
  std::copy(raw->begin(), raw->end(), seed.begin());
  return dht::SigningKey(seed);
}

}  // namespace lodestone::tools
