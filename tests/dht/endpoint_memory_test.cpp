// SPDX-License-Identifier: Apache-2.0
#include "dht/endpoint_memory.hpp"

#include <catch2/catch.hpp>

#include "wire/base/rng.hpp"

using namespace lodestone;
using namespace std::chrono_literals;
using dht::Contact;
using dht::EndpointMemory;

namespace {

constexpr wire::Instant kStart{1h};

struct Bench {
  explicit Bench(std::size_t max) : memory(max, secret) {}
  Contact draw() { return {rng.id<wire::NodeId>(), {wire::Address::v4(0x0b000001u + next++), 6881}}; }
  wire::Rng rng = wire::Rng::from_number(3);
  wire::SipKey secret{};
  std::uint32_t next = 0;
  EndpointMemory memory;
};

}  // namespace

TEST_CASE("L6 an endpoint that answered under another id than named is taken under the one it has") {
  Bench b(100);
  const Contact real = b.draw(), other = b.draw();
  const Contact lie{b.rng.id<wire::NodeId>(), real.endpoint};
  CHECK(b.memory.judge(kStart, lie) == lie);
  b.memory.misnamed(kStart, real.endpoint, real.id);
  CHECK(b.memory.judge(kStart + 1min, lie) == real);
  CHECK(b.memory.judge(kStart + 1min, real) == real);
  CHECK(b.memory.corrected() == 1);
  CHECK(b.memory.judge(kStart + 1min, other) == other);
  // It may have another one by then.
  CHECK(b.memory.judge(kStart + EndpointMemory::kBelievedFor, lie) == lie);
}

TEST_CASE("L6 an endpoint that did not answer twice in a row is left alone for a while") {
  Bench b(100);
  const Contact a = b.draw();
  b.memory.silent(kStart, a.endpoint);
  CHECK(b.memory.judge(kStart, a) == a);
  b.memory.answered(a.endpoint);
  b.memory.silent(kStart, a.endpoint);
  CHECK(b.memory.judge(kStart, a) == a);
  b.memory.silent(kStart + 1s, a.endpoint);
  CHECK_FALSE(b.memory.judge(kStart + 1s, a));
  CHECK_FALSE(b.memory.judge(kStart + 1s, Contact{b.rng.id<wire::NodeId>(), a.endpoint}));
  CHECK(b.memory.avoided() == 2);
  CHECK(b.memory.judge(kStart + 1s + EndpointMemory::kBelievedFor, a) == a);
  b.memory.silent(kStart + 1h, a.endpoint);  // the old silences are forgotten
  CHECK(b.memory.judge(kStart + 1h, a) == a);
  b.memory.silent(kStart + 1h, a.endpoint);
  b.memory.answered(a.endpoint);
  CHECK(b.memory.judge(kStart + 1h, a) == a);
}

TEST_CASE("the memory of endpoints is bounded, keeps the latest, and can be left out") {
  Bench b(50);
  std::vector<Contact> all;
  for (int i = 0; i < 500; ++i) {
    all.push_back(b.draw());
    b.memory.silent(kStart, all.back().endpoint);
    b.memory.silent(kStart, all.back().endpoint);
  }
  CHECK(b.memory.size() == 50);
  CHECK_FALSE(b.memory.judge(kStart, all.back()));
  CHECK(b.memory.judge(kStart, all.front()) == all.front());
  Bench none(0);
  const Contact a = none.draw();
  none.memory.silent(kStart, a.endpoint);
  none.memory.silent(kStart, a.endpoint);
  none.memory.misnamed(kStart, a.endpoint, none.rng.id<wire::NodeId>());
  CHECK(none.memory.judge(kStart, a) == a);
  CHECK(none.memory.size() == 0);
}
