// SPDX-License-Identifier: Apache-2.0
// Who gave us which block, and who is to blame when a piece is bad (W3). A bad piece from one source convicts it. From
// several, the digest of each block is kept until the piece is good: whoever's block differs from the good one lied.
// Sources are endpoints whose port is 0 when the whole address answers for it; the default Endpoint is "unknown"
// (blocks of an earlier run) and is never convicted. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "wire/base/endpoint.hpp"
#include "wire/base/hash.hpp"
#include "wire/base/index.hpp"

namespace lodestone::magnet {

class Blame {
 public:
  /// Digests kept over all pieces; beyond that the oldest evidence is thrown away.
  static constexpr std::size_t kMaxEvidence = 64 * 1024;

  void contributed(wire::BlockRef ref, std::uint32_t block_count, const wire::Endpoint& source);
  /// The piece's hash is wrong. `digests`: of its blocks, in order. Returns who is convicted at once; empty when
  /// several had a hand in it. The contributors are forgotten: the piece is fetched again.
  [[nodiscard]] std::vector<wire::Endpoint> corrupt(wire::PieceIndex piece, std::span<const wire::Sha1Digest> digests);
  /// Its content was lost, which nobody is to blame for: the piece is fetched again.
  void lost(wire::PieceIndex piece) { contributors_.erase(piece.value()); }
  /// There is evidence about this piece: its good digests are wanted.
  [[nodiscard]] bool suspects(wire::PieceIndex piece) const { return evidence_.contains(piece.value()); }
  /// The piece is good; digests may be empty when suspects() was false. Returns who is convicted now.
  [[nodiscard]] std::vector<wire::Endpoint> good(wire::PieceIndex piece, std::span<const wire::Sha1Digest> digests);
  /// All the contributors of the piece are one known source.
  [[nodiscard]] bool single_source(wire::PieceIndex piece) const;

 private:
  struct Testimony {
    std::uint32_t block;
    wire::Sha1Digest digest;
    wire::Endpoint source;
  };
  std::unordered_map<std::uint32_t, std::vector<wire::Endpoint>> contributors_;  // of open pieces, by block
  std::unordered_map<std::uint32_t, std::vector<Testimony>> evidence_;
  std::vector<std::uint32_t> evidence_order_;
  std::size_t evidence_size_ = 0;
};

}  // namespace lodestone::magnet
