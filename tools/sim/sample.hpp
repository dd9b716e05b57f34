// SPDX-License-Identifier: Apache-2.0
// Content for simulated swarms: files of seeded random bytes and the info dictionary that describes them.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "magnet/metainfo.hpp"
#include "storage/disk/memory_files.hpp"
#include "wire/base/rng.hpp"

namespace lodestone::tools::sim {

struct Sample {
  std::shared_ptr<const magnet::Info> info;
  wire::ByteVector raw_info;
  wire::ByteVector stream;  // all files, one behind the other

  [[nodiscard]] const wire::InfoHash& info_hash() const { return *info->info_hash; }
  /// The bytes of one block, range or piece.
  [[nodiscard]] wire::Bytes bytes(const wire::BlockRange& range) const;
  /// Puts the files on a disk, as a seed has them.
  void put_on(storage::MemoryDisk& disk) const;
  /// True when the disk holds every file, byte for byte.
  [[nodiscard]] bool is_on(const storage::MemoryDisk& disk) const;
};

/// `sizes`: of the files, in bytes; empty files are allowed.
[[nodiscard]] Sample make_sample(wire::Rng& rng, const std::vector<std::uint64_t>& sizes, std::uint64_t piece_length);

}  // namespace lodestone::tools::sim
