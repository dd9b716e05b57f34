// SPDX-License-Identifier: Apache-2.0
#include "storage/disk/resume_files.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string_view>

#include "storage/disk/posix_io.hpp"
#include "storage/plan/resume.hpp"
#include "wire/base/hash.hpp"

namespace lodestone::storage {
namespace {

constexpr std::uint64_t kMaxResume = 256u << 20;
constexpr std::uint64_t kMaxMetadata = 64u << 20;
constexpr std::string_view kResume = ".resume";
constexpr std::string_view kMetadata = ".metadata";

posix::Fd open_directory(const std::string& path) {
  return posix::Fd{::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
}

std::string file_name(const wire::InfoHash& torrent, std::string_view suffix) {
  return torrent.hex() + std::string{suffix};
}

std::optional<wire::InfoHash> torrent_of(std::string_view name) {
  for (const std::string_view suffix : {kResume, kMetadata})
    if (name.ends_with(suffix)) return wire::InfoHash::from_hex(name.substr(0, name.size() - suffix.size()));
  return std::nullopt;
}

}  // namespace

std::vector<wire::InfoHash> resumable_torrents(const std::string& state_dir) {
  struct CloseDirectory {
    void operator()(DIR* directory) const { ::closedir(directory); }
  };
  std::vector<wire::InfoHash> out;
  const std::unique_ptr<DIR, CloseDirectory> directory{::opendir(state_dir.c_str())};
  if (!directory) return out;
  while (const dirent* entry = ::readdir(directory.get()))
    if (const auto torrent = torrent_of(entry->d_name)) out.push_back(*torrent);
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

std::optional<wire::ByteVector> load_info_dict(const std::string& state_dir, const wire::InfoHash& torrent) {
  const auto directory = open_directory(state_dir);
  if (!directory) return std::nullopt;
  const auto raw = posix::read_file(directory.value(), file_name(torrent, kResume), kMaxResume);
  if (!raw) return std::nullopt;
  const auto info = snapshot_info_dict(*raw);
  if (!info || wire::sha1(*info) != torrent.bytes()) return std::nullopt;
  return wire::ByteVector(info->begin(), info->end());
}

std::optional<wire::ByteVector> load_metadata(const std::string& state_dir, const wire::InfoHash& torrent) {
  const auto directory = open_directory(state_dir);
  if (!directory) return std::nullopt;
  return posix::read_file(directory.value(), file_name(torrent, kMetadata), kMaxMetadata);
}

std::error_code save_metadata(const std::string& state_dir, const wire::InfoHash& torrent, wire::Bytes blob) {
  if (const auto code = posix::make_directories(state_dir, 0700)) return code;
  const auto directory = open_directory(state_dir);
  if (!directory) return posix::last_error();
  return posix::replace_file(directory.value(), file_name(torrent, kMetadata), blob);
}

void erase_metadata(const std::string& state_dir, const wire::InfoHash& torrent) {
  const auto directory = open_directory(state_dir);
  if (directory) ::unlinkat(directory.value(), file_name(torrent, kMetadata).c_str(), 0);
}

}  // namespace lodestone::storage
