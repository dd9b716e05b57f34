// SPDX-License-Identifier: Apache-2.0
#include "tools/cli/save_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

namespace lodestone::tools {
namespace {

int write_all(int file, wire::Bytes bytes) {
  while (!bytes.empty()) {
    const auto written = ::write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return 0;
}

}  // namespace

std::error_code save_file(const std::string& path, wire::Bytes bytes) {
  std::error_code ignored;
  const bool direct = std::filesystem::exists(path, ignored) &&
                      !std::filesystem::is_regular_file(std::filesystem::symlink_status(path, ignored));
  const std::string name = direct ? path : path + ".part" + std::to_string(::getpid());
  const int file = ::open(name.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | (direct ? O_TRUNC : O_EXCL), 0666);
  if (file < 0) return {errno, std::generic_category()};
  int code = write_all(file, bytes);
  if (::close(file) != 0 && code == 0) code = errno;
  if (!direct && code == 0 && std::rename(name.c_str(), path.c_str()) != 0) code = errno;
  if (!direct && code != 0) ::unlink(name.c_str());
  return {code, std::generic_category()};
}

}  // namespace lodestone::tools
