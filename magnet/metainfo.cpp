// SPDX-License-Identifier: Apache-2.0
#include "magnet/metainfo.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <span>
#include <utility>

#include "magnet/safe_path.hpp"
#include "magnet/text.hpp"
#include "wire/base/bencode.hpp"
#include "wire/base/hash.hpp"

namespace lodestone::magnet {
namespace {

using wire::bencode::Document;
using wire::bencode::Kind;
using wire::bencode::View;

constexpr std::size_t kRootSize = 32;               // BEP 52: a SHA-256 Merkle root
constexpr std::uint64_t kMinV2PieceLength = 16384;  // BEP 52: one block

// A v2 tree writes a directory's name once and means it for each file below: without bounds of their own its paths
// could be a thousand times the input.
constexpr std::size_t kMaxTreeElements = 1'000'000;
constexpr std::size_t kMaxTreeBytes = 64u << 20;

template <class T>
using Result = std::expected<T, MetainfoError>;

std::unexpected<MetainfoError> wrong(const View& where, std::string message) {
  return std::unexpected(MetainfoError{std::move(message), where.offset()});
}

std::unexpected<MetainfoError> wrong(const wire::bencode::Failure& failure) {
  return std::unexpected(MetainfoError{std::string(wire::bencode::describe(failure.error)), failure.offset});
}

/// A file as the dictionary has it. The elements point into the input.
struct RawFile {
  std::vector<std::string_view> path;  // below the torrent's name; empty: the torrent is this one file
  std::uint64_t size = 0;
  bool pad = false;
  bool executable = false;
  bool symlink = false;
};

struct FileList {
  std::vector<RawFile> files;
  bool single_file = false;
};

/// The value under "<key>.utf-8" where an old program wrote one beside a local encoding, else under the key.
std::optional<View> find_utf8(const View& dict, std::string_view key, Kind kind) {
  const auto preferred = dict.find(std::string(key) + ".utf-8");
  if (preferred && preferred->kind() == kind) return preferred;
  const auto plain = dict.find(key);
  if (plain && plain->kind() == kind) return plain;
  return std::nullopt;
}

Result<std::uint64_t> read_length(const View& file) {
  const auto length = file.find("length");
  if (!length) return wrong(file, "a file has no length");
  const auto value = length->integer();
  if (!value) return wrong(*length, "the length of a file is no integer");
  if (*value < 0) return wrong(*length, "the length of a file is negative");
  return static_cast<std::uint64_t>(*value);
}

/// BEP 47. A symlink without content is nothing on disk; one that has content would be a file under a false flag, and
/// is read as the file that it is.
void read_attributes(const View& file, RawFile& out) {
  const auto attr = file.find("attr");
  const auto letters = attr ? attr->text() : std::nullopt;
  if (!letters) return;
  out.symlink = letters->contains('l') && out.size == 0;
  out.pad = letters->contains('p') && !out.symlink;
  out.executable = letters->contains('x');
}

// --- v1: BEP 3 ---

Result<RawFile> read_v1_file(const View& file) {
  if (!file.is_dict()) return wrong(file, "a file is no dictionary");
  RawFile out;
  const auto length = read_length(file);
  if (!length) {
    // BEP 47 lets a symlink go without a length.
    const auto attr = file.find_string("attr");
    if (file.find("length") || !attr || !wire::as_text(*attr).contains('l')) return std::unexpected(length.error());
  } else {
    out.size = *length;
  }
  read_attributes(file, out);
  const auto path = find_utf8(file, "path", Kind::list);
  if (!path) return wrong(file, "a file has no path");
  for (const View element : *path) {
    const auto text = element.text();
    if (!text) return wrong(element, "an element of a path is no string");
    out.path.push_back(*text);
    if (out.path.size() >= kMaxPathDepth) return wrong(*path, "a path of too many elements");
  }
  if (out.path.empty()) return wrong(*path, "a path without elements");
  return out;
}

Result<FileList> read_v1_files(const View& info) {
  FileList list;
  const auto files = info.find("files");
  if (!files) {
    if (!info.find("length")) return wrong(info, "the info dictionary has neither length nor files");
    const auto length = read_length(info);
    if (!length) return std::unexpected(length.error());
    RawFile file;
    file.size = *length;
    read_attributes(info, file);
    file.pad = file.symlink = false;
    list.files.push_back(std::move(file));
    list.single_file = true;
    return list;
  }
  if (!files->is_list()) return wrong(*files, "files is no list");
  for (const View entry : *files) {
    auto file = read_v1_file(entry);
    if (!file) return std::unexpected(std::move(file.error()));
    list.files.push_back(*std::move(file));
  }
  if (list.files.empty()) return wrong(*files, "the list of files is empty");
  return list;
}

// --- v2: BEP 52 ---

Result<RawFile> read_v2_leaf(const View& leaf) {
  if (!leaf.is_dict()) return wrong(leaf, "a file is no dictionary");
  RawFile out;
  const auto length = read_length(leaf);
  if (!length) return std::unexpected(length.error());
  out.size = *length;
  read_attributes(leaf, out);
  const auto root = leaf.find("pieces root");
  const auto bytes = root ? root->string() : std::nullopt;
  if (out.size > 0 && (!bytes || bytes->size() != kRootSize))
    return wrong(root ? *root : leaf, "the pieces root of a file is not 32 bytes");
  return out;
}

/// The tree's leaves in the order of the tree. The way down is kept in a vector of its own: a hostile tree may be as
/// deep as bencode allows.
class TreeWalk {
 public:
  Result<std::vector<RawFile>> run(const View& tree) {
    if (!tree.is_dict()) return wrong(tree, "file tree is no dictionary");
    levels_.push_back({tree.begin(), tree.end(), {}});
    while (!levels_.empty()) {
      Level& level = levels_.back();
      if (level.at == level.end) {
        levels_.pop_back();
        continue;
      }
      const View key = *level.at++;
      const View value = *level.at++;
      if (auto error = step(*key.text(), key, value)) return std::unexpected(*std::move(error));
    }
    return std::move(files_);
  }

 private:
  struct Level {
    View::Iterator at, end;
    std::string_view name;
  };

  std::optional<MetainfoError> step(std::string_view name, const View& key, const View& value) {
    if (!value.is_dict()) return MetainfoError{"an entry of the file tree is no dictionary", value.offset()};
    if (name.empty()) return MetainfoError{"the file tree has a file without a name", key.offset()};
    const auto leaf = value.find("");
    if (leaf && value.size() > 1) return MetainfoError{"a file of the file tree is a directory too", value.offset()};
    if (!leaf) {
      if (levels_.size() + 1 >= kMaxPathDepth) return MetainfoError{"a path of too many elements", key.offset()};
      levels_.push_back({value.begin(), value.end(), name});
      return std::nullopt;
    }
    auto file = read_v2_leaf(*leaf);
    if (!file) return std::move(file.error());
    for (std::size_t i = 1; i < levels_.size(); ++i) file->path.push_back(levels_[i].name);
    file->path.push_back(name);
    elements_ += file->path.size();
    for (const std::string_view element : file->path) bytes_ += element.size();
    if (elements_ > kMaxTreeElements || bytes_ > kMaxTreeBytes)
      return MetainfoError{"the paths of the file tree take too much room", key.offset()};
    files_.push_back(*std::move(file));
    return std::nullopt;
  }

  std::vector<Level> levels_;
  std::vector<RawFile> files_;
  std::size_t elements_ = 0;  // of all paths so far
  std::size_t bytes_ = 0;
};

Result<FileList> read_v2_files(const View& info, std::string_view name) {
  const auto tree = info.find("file tree");
  if (!tree) return wrong(info, "the info dictionary has no file tree");
  TreeWalk walk;
  auto files = walk.run(*tree);
  if (!files) return std::unexpected(std::move(files.error()));
  if (files->empty()) return wrong(*tree, "the file tree is empty");
  FileList list{*std::move(files), false};
  if (list.files.size() == 1 && list.files[0].path.size() == 1 && list.files[0].path[0] == name) {
    list.files[0].path.clear();
    list.single_file = true;
  }
  return list;
}

/// What a hybrid torrent promises: both lists name the same files with the same sizes, and in the v1 stream each starts
/// on a piece.
bool agree(const FileList& v1, const FileList& v2, std::uint64_t piece_length) {
  if (v1.single_file != v2.single_file) return false;
  const auto counts = [](const RawFile& file) { return !file.pad && !file.symlink; };
  std::size_t other = 0;
  std::uint64_t offset = 0;
  for (const RawFile& file : v1.files) {
    if (counts(file)) {
      while (other < v2.files.size() && !counts(v2.files[other])) ++other;
      if (other == v2.files.size()) return false;
      if (v2.files[other].path != file.path || v2.files[other].size != file.size) return false;
      if (file.size > 0 && offset % piece_length != 0) return false;
      ++other;
    }
    offset += file.size;
  }
  return std::none_of(v2.files.begin() + static_cast<std::ptrdiff_t>(other), v2.files.end(), counts);
}

// --- both ---

/// Sum of the sizes; nullopt beyond 64 bits.
std::optional<std::uint64_t> total_of(const FileList& list) {
  std::uint64_t total = 0;
  for (const RawFile& file : list.files)
    if (__builtin_add_overflow(total, file.size, &total)) return std::nullopt;
  return total;
}

/// Clean, unique paths. Files of substance choose first: a pad must not push a real file off its name.
std::vector<storage::FileEntry> cleaned(const FileList& list, const std::string& name) {
  std::vector<storage::FileEntry> entries(list.files.size());
  PathSet paths;
  const auto place = [&](std::size_t i) {
    std::vector<std::string_view> raw{name};
    raw.insert(raw.end(), list.files[i].path.begin(), list.files[i].path.end());
    entries[i].path = paths.add(raw);
  };
  const auto invisible = [&](std::size_t i) { return list.files[i].pad || list.files[i].symlink; };
  for (std::size_t i = 0; i < entries.size(); ++i) {
    entries[i].size = list.files[i].size;
    entries[i].pad = invisible(i);
    entries[i].executable = list.files[i].executable;
    if (!invisible(i)) place(i);
  }
  for (std::size_t i = 0; i < entries.size(); ++i)
    if (invisible(i)) place(i);
  return entries;
}

std::string describe(wire::GeometryError error) {
  switch (error) {
    case wire::GeometryError::piece_length_zero: return "the piece length is not positive";
    case wire::GeometryError::piece_length_too_large: return "a piece length of more than 512 MiB";
    case wire::GeometryError::too_many_pieces: return "more than 2 million pieces";
    case wire::GeometryError::total_too_large: return "the sizes of the files add up to more than a torrent can hold";
  }
  return "impossible sizes";
}

Result<std::uint64_t> read_piece_length(const View& info, bool v2) {
  const auto view = info.find("piece length");
  if (!view) return wrong(info, "the info dictionary has no piece length");
  const auto value = view->integer();
  if (!value) return wrong(*view, "the piece length is no integer");
  if (*value <= 0) return wrong(*view, describe(wire::GeometryError::piece_length_zero));
  const auto length = static_cast<std::uint64_t>(*value);
  if (length > wire::Geometry::kMaxPieceLength)
    return wrong(*view, describe(wire::GeometryError::piece_length_too_large));
  if (v2 && (length < kMinV2PieceLength || !std::has_single_bit(length)))
    return wrong(*view, "the piece length of a v2 torrent is no power of two from 16 KiB up");
  return length;
}

Result<std::vector<wire::Sha1Digest>> read_pieces(const View& info, std::uint32_t count) {
  const auto view = info.find("pieces");
  const auto bytes = view->string();
  if (!bytes) return wrong(*view, "pieces is no string");
  if (bytes->size() % 20 != 0) return wrong(*view, "the length of pieces is no multiple of 20");
  if (bytes->size() / 20 != count)
    return wrong(*view, "pieces has " + std::to_string(bytes->size() / 20) + " hashes where the files need " +
                            std::to_string(count));
  std::vector<wire::Sha1Digest> pieces(count);
  for (std::size_t i = 0; i < pieces.size(); ++i)
    std::copy_n(bytes->begin() + static_cast<std::ptrdiff_t>(i * 20), 20, pieces[i].begin());
  return pieces;
}

struct Versions {
  bool v1 = false;
  bool v2 = false;
};

Result<Versions> read_versions(const View& info) {
  Versions versions;
  if (const auto meta = info.find("meta version")) {
    const auto value = meta->integer();
    if (!value) return wrong(*meta, "meta version is no integer");
    if (*value < 1 || *value > 2) return wrong(*meta, "an unknown meta version");
    versions.v2 = *value == 2;
  }
  versions.v1 = info.find("pieces").has_value();
  if (!versions.v1 && !versions.v2) return wrong(info, "the info dictionary has no pieces");
  return versions;
}

/// Fills in what only a v1 or hybrid torrent has: stream offsets and the manifest.
std::optional<MetainfoError> add_manifest(const View& dict, const FileList& list, Info& info) {
  const auto total = total_of(list);
  const auto geometry =
      total ? wire::Geometry::make(*total, info.piece_length) : std::unexpected(wire::GeometryError::total_too_large);
  if (!geometry) return MetainfoError{describe(geometry.error()), dict.offset()};
  auto pieces = read_pieces(dict, geometry->piece_count());
  if (!pieces) return std::move(pieces.error());
  const wire::Bytes raw = dict.raw();
  info.manifest = std::make_shared<const storage::Manifest>(storage::Manifest{
      storage::Layout(std::move(info.files), *geometry), *std::move(pieces), wire::ByteVector(raw.begin(), raw.end())});
  info.files = info.manifest->layout.files();
  info.info_hash = wire::InfoHash(wire::sha1(raw));
  return std::nullopt;
}

Result<Info> read_info(const View& dict) {
  if (!dict.is_dict()) return wrong(dict, "info is no dictionary");
  const auto versions = read_versions(dict);
  if (!versions) return std::unexpected(versions.error());
  const auto name = find_utf8(dict, "name", Kind::string);
  if (!name) return wrong(dict, "the info dictionary has no name");
  Info info;
  info.name = clean_element(*name->text());
  info.is_private = dict.find_integer("private").value_or(0) != 0;
  const auto piece_length = read_piece_length(dict, versions->v2);
  if (!piece_length) return std::unexpected(piece_length.error());
  info.piece_length = *piece_length;

  Result<FileList> v1 = FileList{};
  Result<FileList> v2 = FileList{};
  if (versions->v1 && !(v1 = read_v1_files(dict))) return std::unexpected(std::move(v1.error()));
  if (versions->v2 && !(v2 = read_v2_files(dict, *name->text()))) return std::unexpected(std::move(v2.error()));
  if (versions->v1 && versions->v2 && !agree(*v1, *v2, info.piece_length))
    return wrong(dict, "the v1 list and the v2 tree of a hybrid torrent name different files");

  const FileList& list = versions->v1 ? *v1 : *v2;
  info.single_file = list.single_file;
  info.files = cleaned(list, info.name);
  if (versions->v2) info.info_hash_v2 = wire::sha256(dict.raw());
  if (versions->v1) {
    if (auto error = add_manifest(dict, list, info)) return std::unexpected(*std::move(error));
    return info;
  }
  // Each size is below 2^63 and the piece length at least 2^14: the count itself cannot overflow before it is refused.
  std::uint64_t pieces = 0;
  for (const RawFile& file : list.files) {
    pieces += file.size / info.piece_length + (file.size % info.piece_length != 0 ? 1 : 0);
    if (pieces > wire::Geometry::kMaxPieces) return wrong(dict, describe(wire::GeometryError::too_many_pieces));
  }
  return info;
}

// --- the file around the info dictionary ---

/// A list of strings, or one string; what is neither is nothing.
std::vector<std::string> read_strings(const std::optional<View>& view) {
  std::vector<std::string> strings;
  const auto add = [&strings](const View& value) {
    const auto text = value.text();
    if (text && !text->empty()) strings.push_back(mended_utf8(*text));
  };
  if (view && view->is_string()) add(*view);
  if (view && view->is_list())
    for (const View item : *view) add(item);
  return strings;
}

/// BEP 12: announce-list goes before announce.
std::vector<std::vector<std::string>> read_trackers(const View& root) {
  std::vector<std::vector<std::string>> tiers;
  if (const auto list = root.find_list("announce-list")) {
    for (const View tier : *list) {
      auto trackers = read_strings(tier);
      if (!trackers.empty()) tiers.push_back(std::move(trackers));
    }
  }
  if (tiers.empty()) {
    auto single = read_strings(root.find("announce"));
    if (!single.empty()) tiers.push_back(std::move(single));
  }
  return tiers;
}

/// BEP 5: [[host, port], ...]. What cannot be read is left out: a torrent is no worse for a bad hint.
std::vector<HostPort> read_nodes(const View& root) {
  std::vector<HostPort> nodes;
  const auto list = root.find_list("nodes");
  if (!list) return nodes;
  for (const View pair : *list) {
    if (!pair.is_list() || pair.size() != 2) continue;
    auto at = pair.begin();
    const auto host = (*at).text();
    const auto port = (*++at).integer();
    if (!host || !port) continue;
    const bool bare_v6 = host->contains(':') && !host->starts_with('[');
    const std::string written = bare_v6 ? "[" + std::string(*host) + "]" : std::string(*host);
    if (auto node = HostPort::parse(written + ":" + std::to_string(*port))) nodes.push_back(*std::move(node));
  }
  return nodes;
}

std::optional<std::string> read_text(const View& root, std::string_view key) {
  const auto view = find_utf8(root, key, Kind::string);
  if (!view) return std::nullopt;
  return mended_utf8(*view->text());
}

}  // namespace

std::uint64_t Info::total_size() const {
  std::uint64_t total = 0;
  for (const storage::FileEntry& file : files)
    if (!file.pad) total += file.size;
  return total;
}

std::uint64_t Info::piece_count() const {
  if (manifest) return manifest->layout.geometry().piece_count();
  std::uint64_t count = 0;
  for (const storage::FileEntry& file : files)
    if (piece_length != 0) count += file.size / piece_length + (file.size % piece_length != 0 ? 1 : 0);
  return count;
}

MagnetUri Metainfo::magnet() const {
  MagnetUri uri;
  uri.info_hash = info.info_hash;
  uri.info_hash_v2 = info.info_hash_v2;
  uri.name = info.name;
  uri.size = info.total_size();
  for (const auto& tier : trackers) uri.trackers.insert(uri.trackers.end(), tier.begin(), tier.end());
  uri.webseeds = webseeds;
  uri.nodes = nodes;
  return uri;
}

std::expected<Info, MetainfoError> parse_info(wire::Bytes raw) {
  Document document;
  auto limits = wire::bencode::Limits::file();
  limits.allow_trailing = false;  // the hash covers every byte
  const auto root = document.parse(raw, limits);
  if (!root) return wrong(root.error());
  return read_info(*root);
}

std::expected<Metainfo, MetainfoError> parse_torrent(wire::Bytes file) {
  Document document;
  const auto root = document.parse(file, wire::bencode::Limits::file());
  if (!root) return wrong(root.error());
  if (!root->is_dict()) return wrong(*root, "a torrent file is a dictionary");
  const auto dict = root->find("info");
  if (!dict) return wrong(*root, "the torrent has no info dictionary");
  auto info = read_info(*dict);
  if (!info) return std::unexpected(std::move(info.error()));
  Metainfo metainfo;
  metainfo.info = *std::move(info);
  metainfo.raw_info.assign(dict->raw().begin(), dict->raw().end());
  metainfo.trackers = read_trackers(*root);
  metainfo.webseeds = read_strings(root->find("url-list"));
  metainfo.nodes = read_nodes(*root);
  metainfo.comment = read_text(*root, "comment");
  metainfo.created_by = read_text(*root, "created by");
  metainfo.created = root->find_integer("creation date");
  metainfo.trailing_bytes = document.consumed() != file.size();
  return metainfo;
}

wire::ByteVector wrap_info(wire::Bytes raw_info, const MagnetUri& source) {
  std::vector<std::vector<std::string>> tiers;
  for (const std::string& tracker : source.trackers) tiers.push_back({tracker});
  wire::ByteVector out;
  wire::bencode::Writer writer(out);
  writer.begin_dict();
  if (!tiers.empty()) writer.key("announce").string(tiers.front().front());
  if (tiers.size() > 1) {
    writer.key("announce-list").begin_list();
    for (const auto& tier : tiers) writer.begin_list().string(tier.front()).end();
    writer.end();
  }
  writer.key("info").raw(raw_info);
  if (!source.nodes.empty()) {
    writer.key("nodes").begin_list();
    for (const HostPort& node : source.nodes) writer.begin_list().string(node.host).integer(node.port).end();
    writer.end();
  }
  if (!source.webseeds.empty()) {
    writer.key("url-list").begin_list();
    for (const std::string& seed : source.webseeds) writer.string(seed);
    writer.end();
  }
  writer.end();
  return out;
}

}  // namespace lodestone::magnet
