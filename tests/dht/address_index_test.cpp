// SPDX-License-Identifier: Apache-2.0
#include "dht/address_index.hpp"

#include <map>
#include <vector>

#include <catch2/catch.hpp>

#include "wire/base/rng.hpp"

using namespace lodestone;
using dht::AddressIndex;

TEST_CASE("an index finds what a map finds, through any order of coming, moving and going") {
  for (const std::size_t capacity : {1u, 2u, 7u, 100u, 4'096u}) {
    CAPTURE(capacity);
    auto rng = wire::Rng::from_number(capacity);
    std::vector<std::uint32_t> slots(AddressIndex::slots_for(capacity));
    AddressIndex index{slots, capacity};
    std::map<AddressIndex::Position, std::uint64_t> model;  // who is where
    const auto name_of = [&](AddressIndex::Position p) { return model.at(p); };
    const auto anybody = [](AddressIndex::Position) { return true; };
    const auto random_one = [&] { return std::next(model.begin(), static_cast<long>(rng.below(model.size()))); };
    // Few homes: long chains, also round the end of the slots.
    const auto draw_name = [&] { return rng.chance(0.5) ? rng.next() : rng.next() | 0xffff'ff00'0000'0000; };
    for (int step = 0; step < 20'000; ++step) {
      const auto what = rng.below(4);
      if (what < 2 && model.size() < capacity) {
        auto p = static_cast<AddressIndex::Position>(rng.below(capacity));
        while (model.contains(p)) p = p + 1 == capacity ? 0 : p + 1;
        model[p] = draw_name();
        index.insert(model[p], p);
      } else if (what == 2 && !model.empty()) {
        const auto at = random_one();
        index.erase(at->second, at->first, name_of);
        model.erase(at);
      } else if (!model.empty() && model.size() < capacity) {
        const auto at = random_one();
        auto p = static_cast<AddressIndex::Position>(rng.below(capacity));
        while (model.contains(p)) p = p + 1 == capacity ? 0 : p + 1;
        index.move(at->second, at->first, p);
        model[p] = at->second;
        model.erase(at);
      }
      if (model.empty()) continue;
      const auto [position, name] = *random_one();
      CHECK(index.find(name, [&](AddressIndex::Position p) { return p == position; }) == position);
      if (step % 500 == 0) index.check_invariants(model.size(), name_of);
    }
    while (!model.empty()) {
      index.erase(model.begin()->second, model.begin()->first, name_of);
      model.erase(model.begin());
    }
    CHECK(index.find(draw_name(), anybody) == AddressIndex::kNone);
    CHECK(slots == std::vector<std::uint32_t>(slots.size()));
  }
}

TEST_CASE("an index is 85 in 100 full with ten million, and hardly ever looks at the wrong one") {
  constexpr std::size_t kCapacity = 10'000'000;
  CHECK(static_cast<double>(kCapacity) / static_cast<double>(AddressIndex::slots_for(kCapacity)) >= 0.8499);
  // A smaller one of the same load, whose tags are longer: the expectation is scaled to 8 bits.
  constexpr std::size_t kSmall = 100'000;
  std::vector<std::uint32_t> slots(AddressIndex::slots_for(kSmall));
  AddressIndex index{slots, kSmall};
  auto rng = wire::Rng::from_number(3);
  for (std::uint32_t p = 0; p < kSmall; ++p) index.insert(rng.next(), p);
  std::size_t looked_at = 0;
  for (int i = 0; i < 100'000; ++i) {
    (void)index.find(rng.next(), [&](AddressIndex::Position) {
      ++looked_at;
      return false;
    });
  }
  // 22 slots on average, 15 bits of tag.
  CHECK(looked_at < 200);
}
