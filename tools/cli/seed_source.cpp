// SPDX-License-Identifier: Apache-2.0
#include "tools/cli/seed_source.hpp"

#include <filesystem>
#include <utility>

#include <fmt/format.h>

#include "magnet/create.hpp"
#include "tools/cli/source_tree.hpp"
#include "tools/cli/target.hpp"

namespace lodestone::tools {
namespace {

namespace fs = std::filesystem;

bool is_torrent_file(const std::string& path) {
  std::string end = fs::path(path).extension().string();
  for (char& c : end) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
  std::error_code ignored;
  return end == ".torrent" && !fs::is_directory(path, ignored);
}

std::string join(const std::string& folder, const std::string& name) {
  return folder.empty() || folder == "." ? name : (fs::path(folder) / name).string();
}

std::expected<SeedSource, Failure> source_of(const std::string& given, const magnet::Metainfo& torrent) {
  SeedSource source;
  source.given = given;
  source.magnet = torrent.magnet();
  if (!torrent.info.info_hash)
    return std::unexpected(Failure{ExitCode::error, given, "unsupported: a version 2 only torrent (BEP 52)", ""});
  source.hash = *torrent.info.info_hash;
  source.info = std::make_shared<const magnet::Info>(torrent.info);
  source.raw_info = torrent.raw_info;
  return source;
}

std::expected<SeedSource, Failure> from_torrent_file(const std::string& path, const std::string& folder,
                                                     Context& context) {
  const auto target = read_torrent(path, context);
  if (!target) return std::unexpected(target.error());
  auto source = source_of(path, *target->torrent);
  if (!source) return source;
  std::vector<std::string> places;
  if (!folder.empty()) {
    places.push_back(folder);
  } else {
    places.push_back(fs::path(path).parent_path().string());
    if (!places.front().empty()) places.push_back("");
  }
  std::error_code ignored;
  for (const std::string& place : places) {
    if (!fs::exists(fs::symlink_status(join(place, source->info->name), ignored))) continue;
    source->folder = place;
    if (auto failure = missing_content(*source->info, place)) return std::unexpected(*std::move(failure));
    return source;
  }
  return std::unexpected(Failure{ExitCode::storage, join(places.front(), source->info->name),
                                 "the content of " + path + " is not there", "Name its folder with -o DIR"});
}

std::expected<SeedSource, Failure> from_path(const std::string& path, Context& context,
                                             const std::function<bool()>& keep_going) {
  std::error_code ignored;
  if (!fs::exists(fs::symlink_status(path, ignored)) && magnet::parse_target(path)) {
    return std::unexpected(Failure{ExitCode::usage, path, "seed takes what you have: a path or a .torrent file",
                                   "Use `get --seed` to fetch a magnet and serve it afterwards"});
  }
  const auto tree = scan_tree(path, context);
  if (!tree) return std::unexpected(tree.error());
  const auto spec = spec_of(*tree, 0, context, keep_going);
  if (!spec) return std::unexpected(spec.error());
  const auto bytes = magnet::encode_torrent(*spec);
  if (!bytes) return std::unexpected(Failure{ExitCode::storage, path, bytes.error(), ""});
  const auto torrent = magnet::parse_torrent(*bytes);
  if (!torrent)
    return std::unexpected(Failure{ExitCode::error, path, "cannot be read back: " + torrent.error().message, ""});
  auto source = source_of(path, *torrent);
  if (source) source->folder = tree->parent.string();
  return source;
}

}  // namespace

node::TorrentSpec SeedSource::spec() const {
  node::TorrentSpec spec;
  spec.info_hash = hash;
  spec.info = info;
  spec.raw_info = raw_info;
  spec.dht_nodes = magnet.nodes;
  spec.download_dir = folder.empty() ? "." : folder;
  spec.seed_after = true;
  return spec;
}

std::expected<SeedSource, Failure> read_seed_source(const std::string& path, const std::string& folder,
                                                    Context& context, const std::function<bool()>& keep_going) {
  return is_torrent_file(path) ? from_torrent_file(path, folder, context) : from_path(path, context, keep_going);
}

std::optional<Failure> missing_content(const magnet::Info& info, const std::string& folder) {
  for (const storage::FileEntry& file : info.files) {
    if (file.pad || file.size == 0) continue;
    const std::string path = join(folder, file.joined());
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    const char* next = "Complete it with `lodestone get`, or name another folder with -o DIR";
    if (!fs::exists(status)) return Failure{ExitCode::storage, path, "missing", next};
    if (!fs::is_regular_file(status)) return Failure{ExitCode::storage, path, "not a file", next};
    const std::uintmax_t size = fs::file_size(path, error);
    if (error) return Failure{ExitCode::storage, path, error.message(), ""};
    if (size != file.size)
      return Failure{ExitCode::storage, path, fmt::format("has {} bytes, the torrent says {}", size, file.size), next};
  }
  return std::nullopt;
}

}  // namespace lodestone::tools
