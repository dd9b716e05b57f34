// SPDX-License-Identifier: Apache-2.0
#include "magnet/create.hpp"

#include <algorithm>
#include <string_view>

#include "magnet/safe_path.hpp"
#include "wire/base/bencode.hpp"
#include "wire/base/geometry.hpp"

namespace lodestone::magnet {
namespace {

using wire::bencode::Writer;

constexpr std::uint64_t kLeast = 16 * 1024;
constexpr std::uint64_t kMost = 16u << 20;
constexpr std::uint64_t kPieces = 2048;

/// A name that a reader would have to change is refused: the same file would be called differently by each client.
std::optional<std::string> check_element(const std::string& element) {
  if (clean_element(element) == element) return std::nullopt;
  return "the name '" + element +
         "' cannot be in a torrent (a backslash, control characters, no UTF-8, or longer than 240 bytes)";
}

/// D1: the second of two such names is renamed by whoever reads the torrent, us included: the content that it was made
/// of would not be found again.
std::optional<std::string> check_collisions(const CreateSpec& spec) {
  PathSet paths;
  for (const CreateFile& file : spec.files) {
    std::vector<std::string_view> raw{spec.name};
    raw.insert(raw.end(), file.path.begin(), file.path.end());
    const std::vector<std::string> path = paths.add(raw);
    if (std::equal(path.begin(), path.end(), raw.begin(), raw.end())) continue;
    std::string name;
    for (const std::string& element : file.path) name += (name.empty() ? "" : "/") + element;
    return "'" + name +
           "' and another name differ in upper and lower case at most: not every file system can hold both";
  }
  return std::nullopt;
}

std::optional<std::string> check(const CreateSpec& spec) {
  if (auto problem = check_element(spec.name)) return problem;
  if (spec.files.empty() || (spec.single_file && spec.files.size() != 1)) return "there are no files";
  std::uint64_t total = 0;
  for (const CreateFile& file : spec.files) {
    if (__builtin_add_overflow(total, file.size, &total)) return "the files are too large for a torrent";
    if (spec.single_file) continue;
    if (file.path.empty() || file.path.size() >= kMaxPathDepth) return "a path of no or too many elements";
    for (const std::string& element : file.path)
      if (auto problem = check_element(element)) return problem;
  }
  if (!spec.single_file)
    if (auto problem = check_collisions(spec)) return problem;
  const auto geometry = wire::Geometry::make(total, spec.piece_length);
  if (!geometry) return "the piece length does not suit the files: at most 512 MiB and 2 million pieces";
  if (geometry->piece_count() != spec.pieces.size()) return "the number of hashes does not fit the files";
  return std::nullopt;
}

void write_files(Writer& writer, const CreateSpec& spec) {
  writer.key("files").begin_list();
  for (const CreateFile& file : spec.files) {
    writer.begin_dict();
    if (file.executable) writer.key("attr").string("x");
    writer.key("length").integer(static_cast<std::int64_t>(file.size));
    writer.key("path").begin_list();
    for (const std::string& element : file.path) writer.string(element);
    writer.end().end();
  }
  writer.end();
}

void write_info(Writer& writer, const CreateSpec& spec) {
  const CreateFile& first = spec.files.front();
  writer.begin_dict();
  if (spec.single_file && first.executable) writer.key("attr").string("x");
  if (!spec.single_file) write_files(writer, spec);
  if (spec.single_file) writer.key("length").integer(static_cast<std::int64_t>(first.size));
  writer.key("name").string(spec.name);
  writer.key("piece length").integer(static_cast<std::int64_t>(spec.piece_length));
  std::string digests;
  digests.reserve(spec.pieces.size() * 20);
  for (const wire::Sha1Digest& digest : spec.pieces) digests += wire::as_text(digest);
  writer.key("pieces").string(digests);
  if (spec.is_private) writer.key("private").integer(1);
  writer.end();
}

void write_trackers(Writer& writer, const CreateSpec& spec) {
  if (spec.trackers.empty() || spec.trackers.front().empty()) return;
  writer.key("announce").string(spec.trackers.front().front());
  if (spec.trackers.size() == 1 && spec.trackers.front().size() == 1) return;
  writer.key("announce-list").begin_list();
  for (const auto& tier : spec.trackers) {
    writer.begin_list();
    for (const std::string& tracker : tier) writer.string(tracker);
    writer.end();
  }
  writer.end();
}

}  // namespace

std::uint64_t choose_piece_length(std::uint64_t total) {
  std::uint64_t length = kLeast;
  while (length < kMost && total / length > kPieces) length *= 2;
  while (length < wire::Geometry::kMaxPieceLength && !wire::Geometry::make(total, length)) length *= 2;
  return length;
}

std::expected<wire::ByteVector, std::string> encode_torrent(const CreateSpec& spec) {
  if (auto problem = check(spec)) return std::unexpected(*std::move(problem));
  wire::ByteVector out;
  Writer writer(out);
  writer.begin_dict();
  write_trackers(writer, spec);
  if (spec.comment) writer.key("comment").string(*spec.comment);
  if (spec.created_by) writer.key("created by").string(*spec.created_by);
  if (spec.created) writer.key("creation date").integer(*spec.created);
  writer.key("info");
  write_info(writer, spec);
  if (!spec.nodes.empty()) {
    writer.key("nodes").begin_list();
    for (const HostPort& node : spec.nodes) writer.begin_list().string(node.host).integer(node.port).end();
    writer.end();
  }
  if (!spec.webseeds.empty()) {
    writer.key("url-list").begin_list();
    for (const std::string& seed : spec.webseeds) writer.string(seed);
    writer.end();
  }
  writer.end();
  return out;
}

}  // namespace lodestone::magnet
