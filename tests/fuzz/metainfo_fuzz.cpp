// SPDX-License-Identifier: Apache-2.0
// Torrent files and info dictionaries: whatever is accepted has clean, different paths and sizes that add up.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <set>
#include <string>

#include "magnet/metainfo.hpp"
#include "magnet/safe_path.hpp"
#include "wire/base/bytes.hpp"

namespace {

using namespace lodestone;

void demand(bool holds) {
  if (!holds) std::abort();
}

void check(const magnet::Info& info) {
  demand(!info.files.empty() && info.piece_length > 0);
  demand(info.info_hash || info.info_hash_v2);
  std::set<std::string> paths;
  std::uint64_t stream = 0;
  for (const storage::FileEntry& file : info.files) {
    demand(!file.path.empty());
    for (const std::string& element : file.path) demand(magnet::clean_element(element) == element);
    demand(paths.insert(file.joined()).second);
    if (info.manifest) demand(file.offset == stream);
    stream += file.size;
  }
  demand(info.total_size() <= stream);
  demand((info.manifest != nullptr) == info.info_hash.has_value());
  if (!info.manifest) return;
  demand(info.manifest->layout.geometry().total() == stream);
  demand(info.manifest->pieces.size() == info.piece_count());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const wire::Bytes input(data, size);
  if (const auto info = magnet::parse_info(input)) {
    check(*info);
  } else {
    demand(info.error().offset <= size && !info.error().message.empty());
  }
  const auto torrent = magnet::parse_torrent(input);
  if (!torrent) {
    demand(torrent.error().offset <= size && !torrent.error().message.empty());
    return 0;
  }
  check(torrent->info);
  // The raw dictionary alone, and wrapped again, is the same torrent.
  const auto info = magnet::parse_info(torrent->raw_info);
  demand(info && info->info_hash == torrent->info.info_hash && info->info_hash_v2 == torrent->info.info_hash_v2);
  const auto wrapped = magnet::parse_torrent(magnet::wrap_info(torrent->raw_info, torrent->magnet()));
  demand(wrapped && wrapped->raw_info == torrent->raw_info);
  demand(magnet::parse_magnet(torrent->magnet().to_uri()).has_value());
  return 0;
}
