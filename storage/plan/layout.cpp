// SPDX-License-Identifier: Apache-2.0
#include "storage/plan/layout.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace lodestone::storage {

std::string FileEntry::joined() const {
  std::string out;
  for (const std::string& element : path) {
    if (!out.empty()) out += '/';
    out += element;
  }
  return out;
}

Layout::Layout(std::vector<FileEntry> files, wire::Geometry geometry) : files_(std::move(files)), geometry_(geometry) {
  std::uint64_t offset = 0;
  for (FileEntry& file : files_) {
    assert(!file.path.empty());
    file.offset = offset;
    assert(file.size <= geometry_.total() - offset);  // a subtraction: the sum could wrap
    offset += file.size;
  }
  assert(offset == geometry_.total());
}

void Layout::slices(std::uint64_t offset, std::uint64_t length, std::vector<FileSlice>& out) const {
  assert(offset <= geometry_.total() && length <= geometry_.total() - offset);
  if (length == 0) return;
  // The last file that begins at or before the offset: of several that begin there all but it are empty.
  auto it = std::upper_bound(files_.begin(), files_.end(), offset,
                             [](std::uint64_t at, const FileEntry& file) { return at < file.offset; });
  assert(it != files_.begin());
  for (--it; length > 0; ++it) {
    const std::uint64_t begin = offset - it->offset;
    const std::uint64_t n = std::min(length, it->size - begin);
    if (n == 0) continue;
    out.push_back({static_cast<std::uint32_t>(it - files_.begin()), begin, n});
    offset += n;
    length -= n;
  }
}

std::pair<std::uint32_t, std::uint32_t> Layout::pieces_of(std::uint32_t file) const {
  const FileEntry& entry = files_[file];
  if (entry.size == 0) return {1, 0};
  return {static_cast<std::uint32_t>(entry.offset / geometry_.piece_length()),
          static_cast<std::uint32_t>((entry.offset + entry.size - 1) / geometry_.piece_length())};
}

std::uint64_t Layout::payload_bytes() const {
  std::uint64_t sum = 0;
  for (const FileEntry& file : files_)
    if (!file.pad) sum += file.size;
  return sum;
}

}  // namespace lodestone::storage
