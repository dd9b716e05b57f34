// SPDX-License-Identifier: Apache-2.0
// Which bytes of the torrent's stream lie in which file. Pure: paths are names below a root that only storage/disk
// opens. Invariant: files cover the stream without gap or overlap, in order; paths are clean (D1: made by
// magnet/metainfo) and differ from each other; pad files occupy the stream but are never on disk (D2).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "wire/base/geometry.hpp"
#include "wire/base/index.hpp"

namespace lodestone::storage {

struct FileEntry {
  std::vector<std::string> path;             // clean elements below the root, the torrent's name included; never empty
  std::uint64_t size = 0;                    // bytes
  std::uint64_t offset = 0;                  // in the stream
  bool pad = false;                          // BEP 47
  bool executable = false;                   // BEP 47 attr x
  [[nodiscard]] std::string joined() const;  // with '/'
};

/// A run of bytes inside one file.
struct FileSlice {
  std::uint32_t file = 0;
  std::uint64_t offset = 0;  // in the file
  std::uint64_t length = 0;
};

class Layout {
 public:
  /// Offsets are filled in here. The sizes sum to geometry.total() (asserted: metainfo has checked).
  Layout(std::vector<FileEntry> files, wire::Geometry geometry);

  [[nodiscard]] const std::vector<FileEntry>& files() const { return files_; }
  [[nodiscard]] const wire::Geometry& geometry() const { return geometry_; }
  /// Slices of stream bytes [offset, offset + length), in order, empty files skipped; pads included.
  void slices(std::uint64_t offset, std::uint64_t length, std::vector<FileSlice>& out) const;
  /// Pieces that touch that file: [first, last]; an empty file touches none (first > last).
  [[nodiscard]] std::pair<std::uint32_t, std::uint32_t> pieces_of(std::uint32_t file) const;
  /// Bytes without pads.
  [[nodiscard]] std::uint64_t payload_bytes() const;

 private:
  std::vector<FileEntry> files_;
  wire::Geometry geometry_;
};

}  // namespace lodestone::storage
