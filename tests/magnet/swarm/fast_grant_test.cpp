// SPDX-License-Identifier: Apache-2.0
#include "magnet/swarm/fast_grant.hpp"

#include <catch2/catch.hpp>

namespace lodestone::magnet {
namespace {

TEST_CASE("W12 allowed-fast pieces, each block at most three times") {
  FastGrant grant;
  CHECK_FALSE(grant.granted());
  CHECK_FALSE(grant.use({wire::PieceIndex{1}, 0, 16}));
  grant.grant({wire::PieceIndex{1}, wire::PieceIndex{5}});
  CHECK(grant.granted());
  CHECK(grant.covers(wire::PieceIndex{5}));
  CHECK_FALSE(grant.covers(wire::PieceIndex{2}));
  for (int i = 0; i < 3; ++i) CHECK(grant.use({wire::PieceIndex{1}, 0, wire::kBlockSize}));
  CHECK_FALSE(grant.use({wire::PieceIndex{1}, 0, wire::kBlockSize}));
  CHECK_FALSE(grant.use({wire::PieceIndex{1}, 100, 50}));  // the same block under another name
  CHECK(grant.use({wire::PieceIndex{1}, wire::kBlockSize, wire::kBlockSize}));
  CHECK_FALSE(grant.use({wire::PieceIndex{2}, 0, wire::kBlockSize}));
}

}  // namespace
}  // namespace lodestone::magnet
