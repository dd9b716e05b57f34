// SPDX-License-Identifier: Apache-2.0
// A torrent to store: made-up content with its manifest, and the jobs that tests issue over and over.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "storage/disk/executor.hpp"
#include "wire/base/rng.hpp"

namespace lodestone::storage::test {

struct FileSpec {
  std::string path;  // elements separated by '/'
  std::uint64_t size;
  bool pad = false;
  bool zeros = false;
};

struct Sample {
  std::shared_ptr<const Manifest> manifest;
  wire::ByteVector content;

  [[nodiscard]] const Layout& layout() const { return manifest->layout; }
  [[nodiscard]] const wire::Geometry& geometry() const { return manifest->layout.geometry(); }
  [[nodiscard]] std::uint32_t pieces() const { return geometry().piece_count(); }
  [[nodiscard]] wire::Bytes piece(std::uint32_t p) const {
    const wire::PieceIndex index{p};
    return wire::Bytes{content}.subspan(static_cast<std::size_t>(geometry().offset(index)), geometry().length(index));
  }
  [[nodiscard]] wire::ByteVector file(std::uint32_t f) const {
    const FileEntry& entry = layout().files()[f];
    const auto begin = content.begin() + static_cast<std::ptrdiff_t>(entry.offset);
    return {begin, begin + static_cast<std::ptrdiff_t>(entry.size)};
  }
};

inline Sample make_sample(const std::vector<FileSpec>& specs, std::uint32_t piece_length, std::uint64_t seed = 1) {
  wire::Rng rng = wire::Rng::from_number(seed);
  std::vector<FileEntry> files;
  wire::ByteVector content;
  for (const FileSpec& spec : specs) {
    FileEntry entry;
    for (std::size_t at = 0; at <= spec.path.size();) {
      const std::size_t end = std::min(spec.path.find('/', at), spec.path.size());
      entry.path.push_back(spec.path.substr(at, end - at));
      at = end + 1;
    }
    entry.size = spec.size;
    entry.pad = spec.pad;
    files.push_back(entry);
    const std::size_t begin = content.size();
    content.resize(begin + static_cast<std::size_t>(spec.size));
    if (!spec.pad && !spec.zeros) rng.fill(wire::MutableBytes{content}.subspan(begin));
  }
  const auto geometry = *wire::Geometry::make(content.size(), piece_length);
  Manifest manifest{Layout{std::move(files), geometry}, {}, {}};
  Sample out{nullptr, std::move(content)};
  for (std::uint32_t p = 0; p < geometry.piece_count(); ++p) {
    const wire::PieceIndex piece{p};
    const auto bytes =
        wire::Bytes{out.content}.subspan(static_cast<std::size_t>(geometry.offset(piece)), geometry.length(piece));
    manifest.pieces.push_back(wire::sha1(bytes));
  }
  const std::string_view info = "d4:name6:samplee";
  manifest.info_dict.assign(info.begin(), info.end());
  out.manifest = std::make_shared<const Manifest>(std::move(manifest));
  return out;
}

inline std::vector<wire::Block> blocks_of(wire::BlockPool& pool, const Sample& sample, std::uint32_t piece) {
  std::vector<wire::Block> out;
  wire::Bytes bytes = sample.piece(piece);
  while (!bytes.empty()) {
    const std::size_t n = std::min<std::size_t>(bytes.size(), wire::kBlockSize);
    wire::Block block = pool.take(static_cast<std::uint32_t>(n));
    REQUIRE(block);
    std::copy_n(bytes.begin(), n, block.bytes().begin());
    out.push_back(std::move(block));
    bytes = bytes.subspan(n);
  }
  return out;
}

/// One process's life with a store.
class Session {
 public:
  Session(const Sample& sample, std::unique_ptr<FileSet> files) : sample_(&sample), store_(std::move(files)) {}

  result::Opened open(std::vector<bool> wanted = {}, bool force = false) {
    return std::get<result::Opened>(store_.execute(job::Open{sample_->manifest, std::move(wanted), force}));
  }
  Result try_store(std::uint32_t piece) {
    return store_.execute(job::StorePiece{wire::PieceIndex{piece}, blocks_of(pool_, *sample_, piece)});
  }
  void store(std::uint32_t piece) {
    const Result result = try_store(piece);
    REQUIRE(std::holds_alternative<result::PieceStored>(result));
  }
  void store_all() {
    for (std::uint32_t p = 0; p < sample_->pieces(); ++p) store(p);
  }
  result::PieceChecked check(std::uint32_t piece) {
    return std::get<result::PieceChecked>(store_.execute(job::CheckPiece{wire::PieceIndex{piece}}));
  }
  /// Hashes what Opened says; the good ones.
  std::vector<std::uint32_t> check_all(const result::Opened& opened);
  Trouble sync() { return std::get<result::Synced>(store_.execute(job::Sync{})).trouble; }
  Trouble close() { return std::get<result::Closed>(store_.execute(job::Close{})).trouble; }
  result::BlockRead read(std::uint32_t piece, std::uint32_t begin, std::uint32_t length) {
    return std::get<result::BlockRead>(
        store_.execute(job::Read{{wire::PieceIndex{piece}, begin, length}, pool_.take(), 7}));
  }
  result::Spilled spill(const std::vector<wire::BlockRef>& refs) {
    job::Spill job{refs, {}};
    for (const wire::BlockRef ref : refs) {
      auto all = blocks_of(pool_, *sample_, ref.piece.value());
      job.blocks.push_back(std::move(all[ref.block]));
    }
    return std::get<result::Spilled>(store_.execute(std::move(job)));
  }
  Result store_spilled(std::uint32_t piece, bool digests = false) {
    return store_.execute(job::StoreSpilled{wire::PieceIndex{piece}, digests});
  }
  Store& store() { return store_; }
  wire::BlockPool& pool() { return pool_; }

 private:
  const Sample* sample_;
  wire::BlockPool pool_{64u << 20};
  Store store_;
};

inline std::vector<std::uint32_t> members(const wire::Bitfield& bits) {
  std::vector<std::uint32_t> out;
  for (std::uint32_t i = 0; i < bits.size(); ++i)
    if (bits.test(wire::PieceIndex{i})) out.push_back(i);
  return out;
}

inline std::vector<std::uint32_t> Session::check_all(const result::Opened& opened) {
  std::vector<std::uint32_t> good;
  for (const std::uint32_t p : members(opened.check)) {
    const auto checked = check(p);
    REQUIRE_FALSE(checked.trouble);
    if (checked.good) good.push_back(p);
  }
  return good;
}

using Pieces = std::vector<std::uint32_t>;

inline Pieces range(std::uint32_t begin, std::uint32_t end) {
  Pieces out;
  for (std::uint32_t i = begin; i < end; ++i) out.push_back(i);
  return out;
}

}  // namespace lodestone::storage::test
