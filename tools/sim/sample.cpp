// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/sample.hpp"

#include <algorithm>
#include <cassert>
#include <string>

#include "magnet/create.hpp"

namespace lodestone::tools::sim {
namespace {

std::string disk_path(const storage::FileEntry& file) { return "root/" + file.joined(); }

}  // namespace

wire::Bytes Sample::bytes(const wire::BlockRange& range) const {
  const std::uint64_t offset = info->manifest->layout.geometry().offset(range.piece) + range.begin;
  return wire::Bytes{stream}.subspan(static_cast<std::size_t>(offset), range.length);
}

void Sample::put_on(storage::MemoryDisk& disk) const {
  for (const storage::FileEntry& file : info->files)
    disk.put(disk_path(file),
             wire::Bytes{stream}.subspan(static_cast<std::size_t>(file.offset), static_cast<std::size_t>(file.size)));
}

bool Sample::is_on(const storage::MemoryDisk& disk) const {
  return std::all_of(info->files.begin(), info->files.end(), [&](const storage::FileEntry& file) {
    const auto content = disk.content(disk_path(file));
    return content && std::ranges::equal(*content, wire::Bytes{stream}.subspan(static_cast<std::size_t>(file.offset),
                                                                               static_cast<std::size_t>(file.size)));
  });
}

Sample make_sample(wire::Rng& rng, const std::vector<std::uint64_t>& sizes, std::uint64_t piece_length) {
  Sample sample;
  magnet::CreateSpec spec;
  spec.name = "sample-" + std::to_string(rng.below(1'000'000));
  spec.piece_length = piece_length;
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    spec.files.push_back({.path = {"folder", "file " + std::to_string(i)}, .size = sizes[i], .executable = false});
    total += sizes[i];
  }
  sample.stream.resize(static_cast<std::size_t>(total));
  rng.fill(sample.stream);
  for (std::size_t at = 0; at < sample.stream.size(); at += static_cast<std::size_t>(piece_length)) {
    const std::size_t n = std::min(static_cast<std::size_t>(piece_length), sample.stream.size() - at);
    spec.pieces.push_back(wire::sha1(wire::Bytes{sample.stream}.subspan(at, n)));
  }
  const auto torrent = magnet::encode_torrent(spec);
  assert(torrent);
  auto parsed = magnet::parse_torrent(*torrent);
  assert(parsed);
  sample.raw_info = std::move(parsed->raw_info);
  sample.info = std::make_shared<const magnet::Info>(std::move(parsed->info));
  return sample;
}

}  // namespace lodestone::tools::sim
