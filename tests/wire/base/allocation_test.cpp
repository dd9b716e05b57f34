// SPDX-License-Identifier: Apache-2.0
// What must not allocate when warm, shown by counting. The replaced operators serve the whole test executable.
#include <array>
#include <cstdint>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/support/counted_allocations.hpp"
#include "wire/base/bencode.hpp"
#include "wire/base/block.hpp"
#include "wire/base/datagram.hpp"
#include "wire/base/hash.hpp"
#include "wire/base/rng.hpp"

namespace {

using lodestone::test::allocations;
using namespace lodestone::wire;

/// Allocations of f's second run.
template <class F>
std::uint64_t warm_allocations(F&& f) {
  f();
  const std::uint64_t before = allocations;
  f();
  return allocations - before;
}

}  // namespace

TEST_CASE("the counter counts") {
  CHECK(warm_allocations([] { std::vector<int> v(10); }) == 1);
}

TEST_CASE("P1 a warm parse and a walk over a DHT packet allocate nothing") {
  ByteVector packet;
  bencode::Writer w{packet};
  w.begin_dict().key("r").begin_dict().key("id").string(ByteVector(20)).key("values").begin_list();
  for (std::uint8_t i = 0; i < 200; ++i) w.string(ByteVector(6, i));
  w.end().end().key("t").string("aa").key("y").string("r").end();
  bencode::Document document;
  std::size_t peers = 0;
  CHECK(warm_allocations([&] {
          const auto view = document.parse(packet);
          for (const bencode::View v : view->find_dict("r")->items("values"))
            if (Endpoint::from_compact(*v.string())) ++peers;
        }) == 0);
  CHECK(peers == 400);
}

TEST_CASE("P1 a parse allocates by what is there, not by what the limit allows") {
  const std::uint64_t before = allocations;
  bencode::Document document;
  REQUIRE(document.parse(as_bytes("d1:ai1ee"), bencode::Limits::file()));
  CHECK(allocations - before <= 2);
}

TEST_CASE("a warm arena, pool, hasher and generator allocate nothing") {
  DatagramBatch batch;
  CHECK(warm_allocations([&] {
          for (std::uint16_t i = 0; i < 64; ++i) {
            const MutableBytes room = batch.reserve(Endpoint{Address::v4(127, 0, 0, 1), i}, 1500);
            room[0] = 'd';
            batch.commit(1200);
          }
          batch.clear();
        }) == 0);
  BlockPool pool{100 * kBlockSize};
  std::array<Block, 100> blocks;
  CHECK(warm_allocations([&] {
          for (Block& b : blocks) b = pool.take();
          for (Block& b : blocks) b = Block{};
        }) == 0);
  Sha1 hasher;
  const ByteVector data(kBlockSize);
  CHECK(warm_allocations([&] {
          hasher.update(data);
          const Sha1Digest digest = hasher.finish();
          static_cast<void>(digest);
        }) == 0);
  Rng rng = Rng::from_number(1);
  CHECK(warm_allocations([&] {
          for (int i = 0; i < 100; ++i) rng.below(10);
        }) == 0);
}
