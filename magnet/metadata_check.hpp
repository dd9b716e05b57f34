// SPDX-License-Identifier: Apache-2.0
// Is this the info dict, and of what use is it? Hashing and parsing up to 48 MiB takes longer than the network may wait
// (D5), so the fetch only says what is to be checked; a driver does it where it likes (a worker thread, the simulator
// on the spot) and brings the verdict back. Pure, any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "magnet/metainfo.hpp"
#include "wire/base/bytes.hpp"
#include "wire/base/hash.hpp"
#include "wire/base/id.hpp"

namespace lodestone::magnet {

struct MetadataCheck {
  std::uint64_t number = 0;  // the fetch's name for it
  wire::InfoHash expected;
  wire::ByteVector raw;
  bool digests = false;  // wanted even if the whole is right
};

struct MetadataVerdict {
  std::uint64_t number = 0;
  wire::ByteVector raw;
  bool good = false;                      // the hash is right
  std::shared_ptr<const Info> info;       // of a good one that is of use
  std::string error;                      // of a good one that is of none: why, in one line
  std::vector<wire::Sha1Digest> digests;  // of each 16 KiB piece: of a bad one always, else when they were wanted
};

[[nodiscard]] MetadataVerdict check_metadata(MetadataCheck&& check);

}  // namespace lodestone::magnet
