// SPDX-License-Identifier: Apache-2.0
#include "magnet/swarm/blame.hpp"

#include <catch2/catch.hpp>

namespace lodestone::magnet {
namespace {

constexpr wire::PieceIndex kPiece{7};

wire::Endpoint source(std::uint8_t n) { return {wire::Address::v4(10, 0, 0, n), 0}; }

/// Digests of four blocks; a changed number is a changed block.
std::vector<wire::Sha1Digest> digests(std::vector<std::uint8_t> numbers) {
  std::vector<wire::Sha1Digest> out;
  for (const std::uint8_t n : numbers) out.push_back(wire::sha1(wire::Bytes(&n, 1)));
  return out;
}

void give(Blame& blame, std::vector<std::uint8_t> sources) {
  for (std::uint32_t b = 0; b < sources.size(); ++b)
    blame.contributed({kPiece, b}, static_cast<std::uint32_t>(sources.size()),
                      sources[b] == 0 ? wire::Endpoint{} : source(sources[b]));
}

TEST_CASE("W3 a bad piece from one source convicts it at once") {
  Blame blame;
  give(blame, {3, 3, 3, 3});
  CHECK(blame.single_source(kPiece));
  CHECK(blame.corrupt(kPiece, {}) == std::vector{source(3)});
  CHECK_FALSE(blame.suspects(kPiece));
}

TEST_CASE("W3 from several: the blocks are compared with the good ones") {
  Blame blame;
  give(blame, {1, 2, 3, 1});
  CHECK_FALSE(blame.single_source(kPiece));
  CHECK(blame.corrupt(kPiece, digests({1, 99, 3, 4})).empty());
  CHECK(blame.suspects(kPiece));
  give(blame, {4, 4, 4, 4});
  CHECK(blame.good(kPiece, digests({1, 2, 3, 4})) == std::vector{source(2)});
  CHECK_FALSE(blame.suspects(kPiece));
}

TEST_CASE("W3 several liars over several attempts") {
  Blame blame;
  give(blame, {1, 2, 3, 1});
  CHECK(blame.corrupt(kPiece, digests({1, 99, 3, 4})).empty());
  give(blame, {2, 1, 1, 3});
  CHECK(blame.corrupt(kPiece, digests({1, 2, 3, 77})).empty());
  give(blame, {1, 1, 4, 4});
  CHECK(blame.good(kPiece, digests({1, 2, 3, 4})) == std::vector{source(2), source(3)});
}

TEST_CASE("W3 blocks of an earlier run accuse nobody, and save nobody") {
  Blame blame;
  give(blame, {0, 0, 5, 5});
  CHECK_FALSE(blame.single_source(kPiece));
  CHECK(blame.corrupt(kPiece, digests({99, 2, 3, 4})).empty());
  CHECK(blame.good(kPiece, digests({1, 2, 3, 4})).empty());
  give(blame, {0, 0, 0, 0});
  CHECK(blame.corrupt(kPiece, digests({99, 2, 3, 4})).empty());
}

TEST_CASE("good pieces leave nothing behind") {
  Blame blame;
  give(blame, {1, 2, 1, 2});
  CHECK(blame.good(kPiece, {}).empty());
  CHECK(blame.corrupt(kPiece, {}).empty());  // nobody is known to have contributed
}

TEST_CASE("evidence is bounded: the oldest goes") {
  Blame blame;
  const std::uint32_t blocks = 4'096;
  const std::vector<wire::Sha1Digest> bad(blocks);
  for (std::uint32_t p = 0; p < 40; ++p) {
    for (std::uint32_t b = 0; b < blocks; ++b)
      blame.contributed({wire::PieceIndex{p}, b}, blocks, source(static_cast<std::uint8_t>(1 + b % 2)));
    CHECK(blame.corrupt(wire::PieceIndex{p}, bad).empty());
  }
  CHECK_FALSE(blame.suspects(wire::PieceIndex{0}));
  CHECK(blame.suspects(wire::PieceIndex{39}));
}

TEST_CASE("W3 a piece that was bad twice without anybody to suspect leaves the bookkeeping whole") {
  Blame blame;
  for (int i = 0; i < 3; ++i) {
    give(blame, {0, 0, 0, 0});
    CHECK(blame.corrupt(kPiece, digests({1, 2, 3, 4})).empty());
  }
  const std::uint32_t blocks = 32'768;
  const std::vector<wire::Sha1Digest> bad(blocks);
  for (std::uint32_t p = 100; p < 110; ++p) {
    for (std::uint32_t b = 0; b < blocks; ++b)
      blame.contributed({wire::PieceIndex{p}, b}, blocks, source(static_cast<std::uint8_t>(1 + b % 2)));
    CHECK(blame.corrupt(wire::PieceIndex{p}, bad).empty());
  }
  CHECK_FALSE(blame.suspects(kPiece));
  CHECK(blame.suspects(wire::PieceIndex{109}));
}

TEST_CASE("W3 a piece whose content was lost accuses nobody") {
  Blame blame;
  give(blame, {3, 3, 3, 3});
  blame.lost(kPiece);
  CHECK_FALSE(blame.suspects(kPiece));
  CHECK(blame.corrupt(kPiece, {}).empty());
}

}  // namespace
}  // namespace lodestone::magnet
