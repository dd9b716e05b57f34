// SPDX-License-Identifier: Apache-2.0
// The state directory: who lies where, created 0700, files 0600 (C3), each replaced atomically.
//
//   node.lock                    held by a running `node` (D6)
//   node.sock                    where that answers `node status` (status_socket)
//   dht4, dht6                   DHT snapshots by family (dht/snapshot); dht4.private, dht6.private under --private-net
//   dht-stored-4, dht-stored-6   the BEP 44 items that others have put here (dht/items_snapshot); .private likewise
//   ring4, ring6                 whom an introducer hands out (ring_file); ring4.private, ring6.private likewise
//   items/<target>               a BEP 44 item that a `node` puts again every hour (kept_items); items.private likewise
//   torrents/<hash>.lock         held by the `get` or `seed` of that hash (D6)
//   torrents/<hash>.metadata     unfinished metadata (M6)
//   torrents/<hash>.info         a verified info dict that no resume file holds (--metadata-only)
//   torrents/<hash>.{resume,journal,scratch}   storage's (storage/disk/file_set)
#pragma once

#include <cstddef>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "node/net/fd.hpp"
#include "wire/base/bytes.hpp"
#include "wire/base/endpoint.hpp"
#include "wire/base/id.hpp"

namespace lodestone::node {

class StateDir {
 public:
  /// Creates it with its parents.
  [[nodiscard]] static std::expected<StateDir, std::error_code> open(std::string path);

  /// To look at what is there: nothing is created.
  [[nodiscard]] static StateDir at(std::string path) { return StateDir(std::move(path)); }

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string node_lock() const { return path_ + "/node.lock"; }
  [[nodiscard]] std::string dht_snapshot(wire::Family family, bool private_net) const;
  [[nodiscard]] std::string stored_items(wire::Family family, bool private_net) const;
  [[nodiscard]] std::string ring(wire::Family family, bool private_net) const;
  [[nodiscard]] std::string items(bool private_net) const {
    return path_ + (private_net ? "/items.private" : "/items");
  }
  [[nodiscard]] std::string torrents() const { return path_ + "/torrents"; }
  /// suffix: "lock", "metadata", "info", "resume".
  [[nodiscard]] std::string torrent_file(const wire::InfoHash& torrent, std::string_view suffix) const;

 private:
  explicit StateDir(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

/// A folder for this process alone, removed with all that is in it at the end.
class TemporaryDir {
 public:
  TemporaryDir();
  ~TemporaryDir();
  TemporaryDir(const TemporaryDir&) = delete;
  TemporaryDir& operator=(const TemporaryDir&) = delete;
  /// Empty when none could be made.
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// A file that is written piece by piece into a temporary one beside it: fsync, rename, fsync of the directory, so that
/// whoever reads finds the old content or the new. One at a time for a path. Whoever never commits leaves what was
/// there.
class Replacement {
 public:
  /// Nothing is on the disk yet.
  explicit Replacement(std::string path) : path_(std::move(path)) {}
  ~Replacement() { discard(); }
  Replacement(const Replacement&) = delete;
  Replacement& operator=(const Replacement&) = delete;

  /// Nothing more is done after a failure.
  void append(wire::Bytes piece);
  /// The first failure, if there was one: then the old content stays.
  [[nodiscard]] std::error_code commit();
  void discard();

 private:
  void open();

  std::string path_;
  std::string temporary_;  // empty: not opened
  UniqueFd fd_;
  std::error_code error_;
};

/// nullopt: there is none, it cannot be read, or it is larger than `max` bytes.
[[nodiscard]] std::optional<wire::ByteVector> read_file(const std::string& path, std::size_t max);
/// A Replacement in one piece.
[[nodiscard]] std::error_code replace_file(const std::string& path, wire::Bytes content);
void remove_file(const std::string& path);

}  // namespace lodestone::node
