// SPDX-License-Identifier: Apache-2.0
#include "wire/peer/allowed_fast.hpp"

#include <algorithm>

#include "wire/base/hash.hpp"

namespace lodestone::wire {
namespace {

ByteVector seed_of(const Address& peer, const InfoHash& info_hash) {
  const Address prefix = peer.diversity_prefix();
  const Bytes address = prefix.bytes();
  // v4: four bytes with the last one zero. v6: the eight that a network is known by.
  ByteVector seed(address.begin(), address.begin() + (peer.is_v4() ? 4 : 8));
  seed.insert(seed.end(), info_hash.bytes().begin(), info_hash.bytes().end());
  return seed;
}

}  // namespace

std::vector<PieceIndex> allowed_fast_set(const Address& peer, const InfoHash& info_hash, std::uint32_t piece_count,
                                         std::size_t count) {
  std::vector<PieceIndex> set;
  if (count >= piece_count) {
    for (std::uint32_t i = 0; i < piece_count; ++i) set.emplace_back(i);
    return set;
  }
  set.reserve(count);
  Sha1 hasher;
  hasher.update(seed_of(peer, info_hash));
  while (set.size() < count) {
    const Sha1Digest digest = hasher.finish();
    for (std::size_t i = 0; i < digest.size() && set.size() < count; i += 4) {
      const PieceIndex piece{load_be32(digest.data() + i) % piece_count};
      if (std::find(set.begin(), set.end(), piece) == set.end()) set.push_back(piece);
    }
    hasher.update(digest);
  }
  return set;
}

}  // namespace lodestone::wire
