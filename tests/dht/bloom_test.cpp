// SPDX-License-Identifier: Apache-2.0
#include "dht/bloom.hpp"

#include <cmath>

#include <catch2/catch.hpp>

#include "wire/base/rng.hpp"

using namespace lodestone;
using dht::BloomFilter;
using dht::Scrape;
using wire::Address;

namespace {

// BEP 33's test vector.
constexpr const char* kExpected =
    "f6c3f5eaa07ffd91bde89f777f26fb2bff37bdb8fb2bbaa2fd3ddde7bacfff75ee7ccbaefe5eedb1fbfaff67f6abff5e43ddbca3fd9b9ffd"
    "f4ffd3e9dff12d1bdf59db53dbe9fa5b7ff3b8fdfcde1afb8bedd7be2f3ee71ebbbfe93bcdeefe148246c2bc5dbff7e7efdcf24fd8dc7adf"
    "fd8fffdfddfff7a4bbeedf5cb95ce81fc7fcff1ff4ffffdfe5f7fdcbb7fd79b3fa1fc77bfe07fff905b7b7ffc7fefeffe0b8370bb0cd3f5b"
    "7f2bd93feb4386cfdd6f7fd5bfaf2e9ebffffeecd67adbf7c67f17efd5d75eba6ffeba7fff47a91eb1bfbb53e8abfb5762abe8ff237279bf"
    "efbfeef5ffc5febfdfe5adffadfee1fb737ffffbfd9f6aeffeee76b6fd8f72ef";

BloomFilter of(std::uint32_t first, std::uint32_t count) {
  BloomFilter f;
  for (std::uint32_t i = 0; i < count; ++i) f.insert(Address::v4(first + i));
  return f;
}

}  // namespace

TEST_CASE("S7 BEP 33: the specification's 1,256 addresses make its filter and its estimate") {
  BloomFilter f;
  for (int i = 0; i < 256; ++i) f.insert(Address::v4(192, 0, 2, static_cast<std::uint8_t>(i)));
  for (unsigned i = 0; i <= 0x3e7; ++i) {
    f.insert(Address::v6({0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, static_cast<std::uint8_t>(i >> 8),
                          static_cast<std::uint8_t>(i)}));
  }
  CHECK(wire::to_hex(f.bytes()) == kExpected);
  CHECK(f.estimate() == Approx(1224.9308).margin(0.0001));
}

TEST_CASE("S7 a union is made by OR: the same peers in many stores count once") {
  const BloomFilter a = of(0x05000000, 300), b = of(0x05000000 + 150, 300);
  BloomFilter both = a;
  both.merge(b);
  CHECK(both == of(0x05000000, 450));
  CHECK(both.estimate() == Approx(450).epsilon(0.1));
  BloomFilter again = both;
  again.merge(a);
  CHECK(again == both);
}

TEST_CASE("S7 an estimate keeps within its error") {
  auto rng = wire::Rng::from_number(1);
  for (const int n : {0, 1, 10, 100, 1'000, 4'000}) {
    int within = 0;
    constexpr int kRuns = 200;
    for (int run = 0; run < kRuns; ++run) {
      BloomFilter f;
      for (int i = 0; i < n; ++i) f.insert(Address::v4(static_cast<std::uint32_t>(rng.next())));
      within += std::abs(f.estimate() - n) <= 2 * f.standard_error() + 0.6;  // one bit is half an address
    }
    CAPTURE(n);
    CHECK(within >= kRuns * 90 / 100);
  }
}

TEST_CASE("a filter of the wrong size is not merged, the empty and the full one have an estimate") {
  BloomFilter f;
  CHECK(f.empty());
  CHECK(f.estimate() == 0);
  CHECK_FALSE(f.merge(wire::ByteVector(255, 0xff)));
  CHECK_FALSE(f.merge(wire::ByteVector(257, 0xff)));
  CHECK(f.empty());
  CHECK(f.merge(wire::ByteVector(256, 0xff)));
  CHECK(std::isfinite(f.estimate()));
  CHECK(f.estimate() > BloomFilter::kMeaningful);
  CHECK(std::isfinite(f.standard_error()));
}

TEST_CASE("S7 a scrape is the union of what nodes say, without those that say everything") {
  Scrape scrape;
  CHECK(scrape.add(of(0x05000000, 10).bytes(), of(0x06000000, 200).bytes()));
  CHECK(scrape.add(of(0x05000000, 10).bytes(), of(0x06000000 + 100, 200).bytes()));
  CHECK_FALSE(scrape.add(of(0, 1).bytes(), wire::ByteVector(256, 0xff)));
  CHECK_FALSE(scrape.add(wire::ByteVector(256, 0xff), of(0, 1).bytes()));
  CHECK_FALSE(scrape.add({}, of(0, 1).bytes()));
  CHECK(scrape.nodes() == 2);
  CHECK(scrape.seeds() == of(0x05000000, 10));
  CHECK(scrape.peers() == of(0x06000000, 300));
}

TEST_CASE("S7 values of nodes without filters count as peers, unless somebody knows them as seeds") {
  Scrape scrape;
  scrape.add_value(Address::v4(0x05000003));  // a seed, as will turn out
  scrape.add_value(Address::v4(0x07000001));
  CHECK(scrape.add(of(0x05000000, 10).bytes(), of(0x06000000, 5).bytes()));
  BloomFilter expected = of(0x06000000, 5);
  expected.insert(Address::v4(0x07000001));
  CHECK(scrape.peers() == expected);
}
