// SPDX-License-Identifier: Apache-2.0
#include "tools/cli/documents.hpp"

#include <algorithm>
#include <optional>
#include <string>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tools/cli/units.hpp"
#include "wire/base/bytes.hpp"

namespace lodestone::tools {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t kMostIndices = 65'536;

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json hash_or_null(const std::optional<wire::InfoHash>& hash) { return hash ? Json(hash->hex()) : Json(nullptr); }
Json hash_or_null(const std::optional<wire::InfoHashV2>& hash) {
  return hash ? Json(wire::to_hex(*hash)) : Json(nullptr);
}

Json texts(const std::vector<magnet::HostPort>& hosts) {
  Json list = Json::array();
  for (const magnet::HostPort& host : hosts) list.push_back(host.text());
  return list;
}

std::string text_of(const magnet::IndexRange& range) {
  return range.first == range.last ? std::to_string(range.first) : fmt::format("{}-{}", range.first, range.last);
}

Json indices(const std::vector<magnet::IndexRange>& ranges) {
  Json list = Json::array();
  for (const magnet::IndexRange& range : ranges) {
    const std::uint64_t room = kMostIndices - std::min<std::uint64_t>(list.size(), kMostIndices);
    if (range.last - range.first >= room) {
      list.push_back(text_of(range));
      continue;
    }
    for (std::uint64_t i = 0; i <= range.last - range.first; ++i) list.push_back(range.first + i);
  }
  return list;
}

/// "name         value"; nothing for an empty value.
void field(Output& out, std::string_view name, std::string_view value) {
  if (!value.empty()) out.line(fmt::format("{:<13}{}", name, value));
}

std::string sized(std::uint64_t bytes) {
  return bytes < 1024 ? format_size(bytes) : fmt::format("{} ({} bytes)", format_size(bytes), bytes);
}

void print_hashes(const std::optional<wire::InfoHash>& v1, const std::optional<wire::InfoHashV2>& v2, Output& out) {
  if (v1) field(out, "info-hash", v1->hex());
  if (v2) field(out, "info-hash v2", wire::to_hex(*v2));
}

}  // namespace

Json torrent_document(const magnet::Metainfo& torrent) {
  const magnet::Info& info = torrent.info;
  Json files = Json::array();
  for (const storage::FileEntry& file : info.files)
    files.push_back({{"path", file.joined()}, {"size", file.size}, {"pad", file.pad}});
  std::optional<std::string> created;
  if (torrent.created) created = format_time(*torrent.created);
  if (created && created->empty()) created.reset();
  return {{"type", "torrent"},
          {"info_hash", hash_or_null(info.info_hash)},
          {"info_hash_v2", hash_or_null(info.info_hash_v2)},
          {"name", info.name},
          {"size", info.total_size()},
          {"piece_length", info.piece_length},
          {"pieces", info.piece_count()},
          {"private", info.is_private},
          {"files", std::move(files)},
          {"trackers", torrent.trackers},
          {"webseeds", torrent.webseeds},
          {"nodes", texts(torrent.nodes)},
          {"comment", or_null(torrent.comment)},
          {"created_by", or_null(torrent.created_by)},
          {"created", or_null(created)},
          {"magnet", torrent.magnet().to_uri()}};
}

Json magnet_document(const magnet::MagnetUri& uri) {
  return {{"type", "magnet"},
          {"info_hash", hash_or_null(uri.info_hash)},
          {"info_hash_v2", hash_or_null(uri.info_hash_v2)},
          {"name", or_null(uri.name)},
          {"size", or_null(uri.size)},
          {"trackers", uri.trackers},
          {"webseeds", uri.webseeds},
          {"peers", texts(uri.peers)},
          {"nodes", texts(uri.nodes)},
          {"select", indices(uri.select)},
          {"public_key", or_null(uri.public_key)},
          {"salt", or_null(uri.salt)}};
}

void print_torrent(const magnet::Metainfo& torrent, Output& out) {
  const magnet::Info& info = torrent.info;
  field(out, "name", info.name);
  print_hashes(info.info_hash, info.info_hash_v2, out);
  field(out, "size", sized(info.total_size()));
  field(out, "pieces", fmt::format("{} of {}", info.piece_count(), format_size(info.piece_length)));
  if (info.is_private) field(out, "private", "yes (no DHT, no peer exchange)");
  for (std::size_t tier = 0; tier < torrent.trackers.size(); ++tier)
    for (const std::string& tracker : torrent.trackers[tier]) field(out, fmt::format("tracker {}", tier + 1), tracker);
  for (const std::string& seed : torrent.webseeds) field(out, "web seed", seed);
  for (const magnet::HostPort& node : torrent.nodes) field(out, "DHT node", node.text());
  if (torrent.comment) field(out, "comment", *torrent.comment);
  if (torrent.created_by) field(out, "created by", *torrent.created_by);
  if (torrent.created) field(out, "created", format_time(*torrent.created));
  field(out, "magnet", torrent.magnet().to_uri());
  field(out, "files", std::to_string(info.files.size()));
  for (std::size_t i = 0; i < info.files.size(); ++i)
    out.line(fmt::format("{:>5}  {:>10}  {}{}", i, format_size(info.files[i].size), info.files[i].joined(),
                         info.files[i].pad ? "  (padding)" : ""));
}

void print_magnet(const magnet::MagnetUri& uri, Output& out) {
  if (uri.name) field(out, "name", *uri.name);
  print_hashes(uri.info_hash, uri.info_hash_v2, out);
  if (uri.public_key) field(out, "public key", *uri.public_key);
  if (uri.salt) field(out, "salt", *uri.salt);
  if (uri.size) field(out, "size", sized(*uri.size));
  for (const std::string& tracker : uri.trackers) field(out, "tracker", tracker);
  for (const std::string& seed : uri.webseeds) field(out, "web seed", seed);
  for (const magnet::HostPort& peer : uri.peers) field(out, "peer", peer.text());
  for (const magnet::HostPort& node : uri.nodes) field(out, "DHT node", node.text());
  std::string ranges;
  for (const magnet::IndexRange& range : uri.select) ranges += (ranges.empty() ? "" : ", ") + text_of(range);
  field(out, "select", ranges);
}

}  // namespace lodestone::tools
