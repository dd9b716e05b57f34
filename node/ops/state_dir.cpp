// SPDX-License-Identifier: Apache-2.0
#include "node/ops/state_dir.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <utility>

namespace lodestone::node {
namespace {

std::error_code make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) == 0) return {};
  if (errno != EEXIST) return last_error();
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return last_error();
  return S_ISDIR(info.st_mode) ? std::error_code{} : std::make_error_code(std::errc::not_a_directory);
}

std::error_code make_directories(const std::string& path) {
  for (std::size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    // A parent that we may not create may exist all the same, behind one that we may not read.
    (void)make_directory(path.substr(0, slash));
  }
  return make_directory(path);
}

std::error_code write_all(int fd, wire::Bytes content) {
  while (!content.empty()) {
    const ssize_t n = ::write(fd, content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return last_error();
    content = content.subspan(static_cast<std::size_t>(n));
  }
  return {};
}

/// Without this a rename may be lost with the machine's power; the old content is there then, so errors do not matter.
void sync_directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const UniqueFd fd{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (fd) (void)::fsync(fd.fd());
}

}  // namespace

std::expected<StateDir, std::error_code> StateDir::open(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  if (const auto error = make_directories(path)) return std::unexpected(error);
  StateDir dir{std::move(path)};
  if (const auto error = make_directory(dir.torrents())) return std::unexpected(error);
  if (::access(dir.torrents().c_str(), W_OK | X_OK) != 0) return std::unexpected(last_error());
  return dir;
}

std::string StateDir::dht_snapshot(wire::Family family, bool private_net) const {
  return path_ + (family == wire::Family::v4 ? "/dht4" : "/dht6") + (private_net ? ".private" : "");
}

std::string StateDir::stored_items(wire::Family family, bool private_net) const {
  return path_ + (family == wire::Family::v4 ? "/dht-stored-4" : "/dht-stored-6") + (private_net ? ".private" : "");
}

std::string StateDir::ring(wire::Family family, bool private_net) const {
  return path_ + (family == wire::Family::v4 ? "/ring4" : "/ring6") + (private_net ? ".private" : "");
}

std::string StateDir::torrent_file(const wire::InfoHash& torrent, std::string_view suffix) const {
  return torrents() + "/" + torrent.hex() + "." + std::string(suffix);
}

TemporaryDir::TemporaryDir() {
  const char* base = std::getenv("TMPDIR");
  std::string name = std::string(base != nullptr && *base == '/' ? base : "/tmp") + "/lodestone-XXXXXX";
  if (::mkdtemp(name.data()) != nullptr) path_ = std::move(name);
}

TemporaryDir::~TemporaryDir() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

std::optional<wire::ByteVector> read_file(const std::string& path, std::size_t max) {
  const UniqueFd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (!fd) return std::nullopt;
  struct stat info{};
  if (::fstat(fd.fd(), &info) != 0 || !S_ISREG(info.st_mode)) return std::nullopt;
  if (info.st_size < 0 || static_cast<std::uint64_t>(info.st_size) > max) return std::nullopt;
  wire::ByteVector content(static_cast<std::size_t>(info.st_size));
  std::size_t done = 0;
  while (done < content.size()) {
    const ssize_t n = ::read(fd.fd(), content.data() + done, content.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return std::nullopt;
    done += static_cast<std::size_t>(n);
  }
  return content;
}

void Replacement::open() {
  if (!temporary_.empty()) return;
  // The pid keeps two processes that save at once from writing into one temporary file.
  temporary_ = path_ + "." + std::to_string(::getpid()) + ".tmp";
  fd_ = UniqueFd{::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600)};
  if (!fd_) error_ = last_error();
}

void Replacement::append(wire::Bytes piece) {
  open();
  if (!error_) error_ = write_all(fd_.fd(), piece);
}

std::error_code Replacement::commit() {
  open();
  if (!error_ && ::fsync(fd_.fd()) != 0) error_ = last_error();
  if (!error_ && ::rename(temporary_.c_str(), path_.c_str()) != 0) error_ = last_error();
  if (error_) {
    discard();
    return error_;
  }
  fd_.reset();
  sync_directory_of(path_);
  return {};
}

void Replacement::discard() {
  if (!fd_) return;
  fd_.reset();
  remove_file(temporary_);
}

std::error_code replace_file(const std::string& path, wire::Bytes content) {
  Replacement file(path);
  file.append(content);
  return file.commit();
}

void remove_file(const std::string& path) { ::unlink(path.c_str()); }

}  // namespace lodestone::node
