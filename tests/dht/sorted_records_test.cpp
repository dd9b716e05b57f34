// SPDX-License-Identifier: Apache-2.0
#include "dht/sorted_records.hpp"

#include <algorithm>
#include <map>

#include <catch2/catch.hpp>

#include "wire/base/rng.hpp"

using namespace lodestone;
using dht::SortedRecords;

namespace {

constexpr std::size_t kSize = 24;

wire::Key key_of(const std::uint8_t* record) { return *wire::Key::from_bytes({record, SortedRecords::kKeySize}); }
std::uint32_t value_of(const std::uint8_t* record) { return wire::load_be32(record + SortedRecords::kKeySize); }

/// Keys that often share their first bytes, so that pages begin alike.
wire::Key draw(wire::Rng& rng) {
  auto key = rng.id<wire::Key>();
  const auto same = static_cast<std::size_t>(rng.below(3)) * 9;
  std::fill_n(key.bytes().begin(), same, std::uint8_t{0x42});
  if (same == 18) key.bytes()[18] = static_cast<std::uint8_t>(rng.below(2));
  return key;
}

void compare(const SortedRecords& records, const std::map<wire::Key, std::uint32_t>& model) {
  records.check_invariants();
  REQUIRE(records.size() == model.size());
  auto expected = model.begin();
  records.for_each([&](const std::uint8_t* r) {
    REQUIRE(key_of(r) == expected->first);
    REQUIRE(value_of(r) == expected->second);
    ++expected;
  });
  CHECK(expected == model.end());
}

}  // namespace

TEST_CASE("the first key of all may begin with zeros") {
  SortedRecords records(kSize);
  for (int round = 0; round < 2; ++round) {
    const wire::Key zero;
    wire::store_be32(records.insert(zero) + SortedRecords::kKeySize, 7);
    REQUIRE(records.find(zero) != nullptr);
    CHECK(value_of(records.find(zero)) == 7);
    records.check_invariants();
    records.erase(zero);
    CHECK(records.empty());
  }
}

TEST_CASE("sorted records are what a map is") {
  auto rng = wire::Rng::from_number(5);
  SortedRecords records{kSize};
  std::map<wire::Key, std::uint32_t> model;
  for (std::uint32_t step = 0; step < 20'000; ++step) {
    const bool shrinking = step / 4'000 % 2 == 1;
    const wire::Key key = draw(rng);
    const auto known = model.lower_bound(key);
    if (shrinking && !model.empty()) {
      const wire::Key gone = known == model.end() ? model.rbegin()->first : known->first;
      records.erase(gone);
      model.erase(gone);
    } else if (known == model.end() || known->first != key) {
      REQUIRE(records.find(key) == nullptr);
      std::uint8_t* const r = records.insert(key);
      REQUIRE(value_of(r) == 0);
      wire::store_be32(r + SortedRecords::kKeySize, step);
      model[key] = step;
    } else {
      REQUIRE(value_of(records.find(key)) == known->second);
    }
    const wire::Key probe = draw(rng);
    const auto next = model.lower_bound(probe);
    const std::uint8_t* const found = records.at_least(probe);
    REQUIRE((found == nullptr) == (next == model.end()));
    if (found != nullptr) REQUIRE(key_of(found) == next->first);
    if (!model.empty()) REQUIRE(key_of(records.last()) == model.rbegin()->first);
    if (step % 500 == 0) compare(records, model);
  }
  compare(records, model);

  std::vector<wire::Key> tail;
  const wire::Key from = draw(rng);
  records.for_each_from(from, [&](const std::uint8_t* r) {
    tail.push_back(key_of(r));
    return tail.size() < 500;
  });
  auto expected = model.lower_bound(from);
  for (const wire::Key& k : tail) CHECK(k == (expected++)->first);
  CHECK((tail.size() == 500 || expected == model.end()));

  records.erase_if([](const std::uint8_t* r) { return value_of(r) % 10 != 3; });
  std::erase_if(model, [](const auto& m) { return m.second % 10 != 3; });
  compare(records, model);
  records.erase_if([](const std::uint8_t*) { return true; });
  CHECK(records.empty());
  CHECK(records.bytes() == 0);
}

TEST_CASE("sorted records cost little more than their bytes") {
  auto rng = wire::Rng::from_number(6);
  SortedRecords records{33};
  CHECK(records.bytes() == 0);
  for (int i = 0; i < 100'000; ++i) (void)records.insert(rng.id<wire::Key>());
  CHECK(static_cast<double>(records.bytes()) < 1.2 * 33 * 100'000);
  // Nearly everything goes: so does its memory.
  records.erase_if([](const std::uint8_t* r) { return r[0] != 0; });
  CHECK(static_cast<double>(records.bytes()) < 2.0 * 33 * static_cast<double>(records.size()) + 1'000);
}
