// SPDX-License-Identifier: Apache-2.0
#include "wire/base/datagram.hpp"

#include <algorithm>
#include <string>

#include <catch2/catch.hpp>

using namespace lodestone::wire;

namespace {

const Endpoint kFirst{Address::v4(127, 0, 0, 1), 1};
const Endpoint kSecond{Address::v4(127, 0, 0, 2), 2};

std::string text_of(const DatagramBatch& batch, std::size_t i) {
  return std::string{as_text(batch.payload(batch.entries().at(i)))};
}

}  // namespace

TEST_CASE("datagrams lie in the arena in the order of their commits") {
  DatagramBatch batch;
  CHECK(batch.empty());
  const MutableBytes room = batch.reserve(kFirst, 1500);
  REQUIRE(room.size() == 1500);
  std::copy_n("hello", 5, room.begin());
  batch.commit(5);
  batch.push(kSecond, as_bytes("world!"));
  REQUIRE(batch.size() == 2);
  CHECK(batch.entries()[0].to == kFirst);
  CHECK(batch.entries()[1].to == kSecond);
  CHECK(text_of(batch, 0) == "hello");
  CHECK(text_of(batch, 1) == "world!");
  CHECK(batch.entries()[1].offset == 5);
  batch.clear();
  CHECK(batch.empty());
}

TEST_CASE("a reservation that is not kept leaves nothing behind") {
  DatagramBatch batch;
  batch.push(kFirst, as_bytes("a"));
  (void)batch.reserve(kSecond, 100);
  batch.commit(0);
  (void)batch.reserve(kSecond, 100);  // and one that is simply forgotten
  batch.push(kFirst, as_bytes("b"));
  REQUIRE(batch.size() == 2);
  CHECK(text_of(batch, 0) == "a");
  CHECK(text_of(batch, 1) == "b");
  batch.push(kFirst, {});
  CHECK(batch.size() == 2);
}

TEST_CASE("earlier datagrams survive the growth of the arena") {
  DatagramBatch batch;
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 300; ++i) batch.push(kFirst, as_bytes(std::string(static_cast<std::size_t>(i), 'x') + "|"));
    REQUIRE(batch.size() == 300);
    for (std::size_t i = 0; i < 300; ++i) REQUIRE(text_of(batch, i) == std::string(i, 'x') + "|");
    batch.clear();
  }
}

TEST_CASE("a datagram may be sent on from the arena itself") {
  DatagramBatch batch;
  batch.push(kFirst, as_bytes("again"));
  for (int i = 0; i < 100; ++i) batch.push(kSecond, batch.payload(batch.entries().back()));
  REQUIRE(batch.size() == 101);
  CHECK(text_of(batch, 100) == "again");
}

TEST_CASE("what arrives on a shared port is told apart by its first bytes") {
  CHECK(classify({}) == DatagramKind::junk);
  CHECK(classify(as_bytes("d1:ad2:id20:")) == DatagramKind::dht);
  CHECK(classify(as_bytes("d")) == DatagramKind::dht);
  CHECK(classify(as_bytes("i1e")) == DatagramKind::junk);
  ByteVector utp(20);
  for (int first = 0; first < 256; ++first) {
    utp[0] = static_cast<std::uint8_t>(first);
    const bool version_1 = (first & 15) == 1;
    const bool known_type = (first >> 4) <= 4;
    const DatagramKind expected = first == 'd'              ? DatagramKind::dht
                                  : version_1 && known_type ? DatagramKind::utp
                                                            : DatagramKind::junk;
    CHECK(classify(utp) == expected);
    if (expected == DatagramKind::utp) CHECK(classify(Bytes{utp}.first(19)) == DatagramKind::junk);
  }
}
