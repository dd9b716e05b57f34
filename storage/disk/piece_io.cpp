// SPDX-License-Identifier: Apache-2.0
#include "storage/disk/piece_io.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace lodestone::storage {

Trouble trouble_with(const FileSet& files, std::uint32_t file, const std::error_code& code) {
  if (!code) return {};
  return {classify(code), code, files.path(file)};
}

Trouble trouble_with(const FileSet& files, StateBlob blob, const std::error_code& code) {
  if (!code) return {};
  return {classify(code), code, files.path(blob)};
}

bool is_absence(const Trouble& trouble) {
  return trouble.code == std::errc::no_message_available || trouble.code == std::errc::no_such_file_or_directory;
}

Trouble write_stream(FileSet& files, const Layout& layout, std::uint64_t offset, std::span<const wire::Bytes> data) {
  std::uint64_t length = 0;
  for (const wire::Bytes bytes : data) length += bytes.size();
  std::vector<FileSlice> slices;
  layout.slices(offset, length, slices);

  std::vector<wire::Bytes> gathered;
  std::size_t used = 0;  // bytes of data.front() that earlier files took
  for (const FileSlice& slice : slices) {
    gathered.clear();
    for (std::uint64_t left = slice.length; left > 0;) {
      const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(left, data.front().size() - used));
      if (n > 0) gathered.push_back(data.front().subspan(used, n));
      used += n;
      left -= n;
      if (used == data.front().size()) {
        data = data.subspan(1);
        used = 0;
      }
    }
    if (layout.files()[slice.file].pad) continue;
    if (const auto code = files.write(slice.file, slice.offset, gathered)) return trouble_with(files, slice.file, code);
  }
  return {};
}

Trouble read_stream(FileSet& files, const Layout& layout, std::uint64_t offset, wire::MutableBytes out) {
  std::vector<FileSlice> slices;
  layout.slices(offset, out.size(), slices);
  for (const FileSlice& slice : slices) {
    const auto part = out.first(static_cast<std::size_t>(slice.length));
    out = out.subspan(part.size());
    if (layout.files()[slice.file].pad) {
      std::memset(part.data(), 0, part.size());
    } else if (const auto code = files.read(slice.file, slice.offset, part)) {
      return trouble_with(files, slice.file, code);
    }
  }
  return {};
}

PieceDigest hash_piece(FileSet& files, const Layout& layout, wire::PieceIndex piece, wire::MutableBytes buffer) {
  assert(!buffer.empty());
  wire::Sha1 hasher;
  std::uint64_t offset = layout.geometry().offset(piece);
  const std::uint64_t end = offset + layout.geometry().length(piece);
  while (offset < end) {
    const auto chunk = buffer.first(static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), end - offset)));
    if (Trouble trouble = read_stream(files, layout, offset, chunk)) return {{}, std::move(trouble)};
    hasher.update(chunk);
    offset += chunk.size();
  }
  return {hasher.finish(), {}};
}

}  // namespace lodestone::storage
