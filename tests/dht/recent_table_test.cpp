// SPDX-License-Identifier: Apache-2.0
#include "dht/recent_table.hpp"

#include <list>

#include <catch2/catch.hpp>

#include "wire/base/rng.hpp"

using namespace lodestone;

namespace {

const auto kNever = [](int) { return false; };

}  // namespace

TEST_CASE("a recent table is what a list of the most recent keys is") {
  auto rng = wire::Rng::from_number(3);
  wire::SipKey key;
  rng.fill(key);
  constexpr std::size_t kMax = 100;
  dht::RecentTable<int> table{kMax, key};
  std::list<std::pair<std::uint64_t, int>> model;  // newest first
  std::uint64_t displaced = 0;
  for (int step = 0; step < 20'000; ++step) {
    const std::uint64_t k = rng.below(step < 10'000 ? 150 : 90);
    const auto found = std::find_if(model.begin(), model.end(), [&](const auto& m) { return m.first == k; });
    const int expected = found == model.end() ? 0 : found->second;
    if (found != model.end()) model.erase(found);
    if (model.size() == kMax) {
      model.pop_back();
      ++displaced;
    }
    const auto slot = table.touch(k, kNever);
    REQUIRE(table[slot] == expected);
    table[slot] = step;
    model.emplace_front(k, step);
    REQUIRE(table.size() == model.size());
    REQUIRE(table.displaced() == displaced);
    if (step % 100 == 0) table.check_invariants();
  }
  CHECK(displaced > 1'000);
}

TEST_CASE("a slot that is remembered wrongly is looked up") {
  dht::RecentTable<int> table{2, wire::SipKey{}};
  const auto first = table.touch(1, kNever);
  table[first] = 11;
  CHECK(table.touch(1, first, kNever) == first);
  CHECK(table.touch(1, dht::RecentTable<int>::kNone, kNever) == first);
  CHECK(table.touch(2, first, kNever) != first);
  (void)table.touch(3, kNever);  // pushes 1 out and takes its place
  CHECK(table[table.touch(3, first, kNever)] == 0);
  CHECK(table[table.touch(1, first, kNever)] == 0);
  CHECK(table.size() == 2);
  table.check_invariants();
}

TEST_CASE("what is idle makes room before the table grows, oldest first") {
  dht::RecentTable<int> table{100, wire::SipKey{}};
  const auto idle = [](int value) { return value == 0; };
  const auto busy = table.touch(1, idle);
  for (std::uint64_t key = 2; key < 50; ++key) (void)table.touch(key, idle);
  CHECK(table.size() == 1);  // nobody has put anything into one
  table[table.touch(60, idle)] = 7;
  for (std::uint64_t key = 70; key < 75; ++key) table[table.touch(key, idle)] = 1;
  CHECK(table.size() == 6);
  CHECK(table[table.touch(60, idle)] == 7);
  CHECK(table.displaced() == 0);
  CHECK(busy == 0);
  table.check_invariants();
}
