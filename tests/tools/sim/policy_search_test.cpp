// SPDX-License-Identifier: Apache-2.0
// What makes one policy another, each shown on a search of a few candidates.
#include "tools/sim/policy/policy_search.hpp"

#include <optional>
#include <set>
#include <vector>

#include <catch2/catch.hpp>

using namespace lodestone;
using namespace lodestone::tools::sim;
using namespace std::chrono_literals;

namespace {

constexpr wire::Instant kStart{std::chrono::hours(1)};

/// The target is zero, so that a contact's number is its distance.
dht::Contact contact(std::uint8_t distance, std::uint8_t prefix) {
  wire::NodeId id;
  id.bytes()[0] = distance;
  return {id, {wire::Address::v4(20, prefix, 0, distance), 6'881}};
}
dht::Contact contact(std::uint8_t distance) { return contact(distance, distance); }

PolicySearch search_of(const Policy& policy, int candidates) {
  wire::NodeId own;
  own.bytes()[0] = 0xff;
  PolicySearch search(policy, wire::Key{}, own);
  for (int i = 1; i <= candidates; ++i) search.add(contact(static_cast<std::uint8_t>(10 * i)));
  return search;
}

/// Their distances, in the order in which they are asked.
std::vector<int> ask_all(PolicySearch& search, wire::Instant now, wire::Duration slow_after = 1h) {
  std::vector<int> asked;
  while (const auto c = search.next(now, slow_after)) asked.push_back(c->id.bytes()[0]);
  return asked;
}

void answer(PolicySearch& search, int distance, std::vector<dht::Contact> named = {}) {
  const dht::Contact from = contact(static_cast<std::uint8_t>(distance));
  const std::vector<std::uint8_t> token = {1};
  CHECK(search.answered(from.endpoint, from.id, token, named));
}

}  // namespace

TEST_CASE("sim: bep5 has three queries in flight, each until it is answered or ten seconds have passed") {
  PolicySearch search = search_of(Policy::bep5(), 10);
  CHECK(ask_all(search, kStart) == std::vector<int>{10, 20, 30});
  answer(search, 20, {contact(5), contact(200)});
  CHECK(ask_all(search, kStart) == std::vector<int>{5});
  search.advance(kStart + 9s);
  CHECK(ask_all(search, kStart + 9s).empty());
  CHECK(search.next_deadline() == kStart + 10s);
  search.advance(kStart + 10s);
  CHECK(ask_all(search, kStart + 10s) == std::vector<int>{40, 50, 60});
  CHECK_FALSE(search.over());
}

TEST_CASE("sim: libtorrent allows one more for each query that has passed its second, and waits for it all the same") {
  PolicySearch search = search_of(Policy::libtorrent(), 10);
  CHECK(ask_all(search, kStart) == std::vector<int>{10, 20, 30, 40, 50});
  answer(search, 10);
  answer(search, 20);
  CHECK(ask_all(search, kStart) == std::vector<int>{60, 70});
  search.advance(kStart + 1s);
  // Five are slow: five more may be asked.
  CHECK(ask_all(search, kStart + 1s) == std::vector<int>{80, 90, 100});
  for (const int d : {40, 50, 60, 70, 80, 90, 100}) answer(search, d);
  CHECK(search.closest().size() == 8);
  CHECK_FALSE(search.over());  // 30 is closer than these
  CHECK(search.next_deadline() == kStart + 15s);
  search.advance(kStart + 15s);
  CHECK(search.over());
}

TEST_CASE("sim: libtorrent asks one address of a /24") {
  PolicySearch search = search_of(Policy::libtorrent(), 0);
  search.add(contact(1, 9));
  search.add(contact(2, 9));
  search.add(contact(3, 8));
  CHECK(ask_all(search, kStart) == std::vector<int>{1, 3});
}

TEST_CASE("sim: mldht has ten in flight, gives a stalled query's slot away and does not wait for it") {
  PolicySearch search = search_of(Policy::mldht(), 20);
  CHECK(ask_all(search, kStart, 300ms).size() == 10);
  for (const int d : {20, 30, 40, 50, 60, 70, 80}) answer(search, d);
  search.advance(kStart + 300ms);
  CHECK(ask_all(search, kStart + 300ms, 300ms) == std::vector<int>{110, 120, 130, 140, 150, 160, 170, 180, 190, 200});
  answer(search, 90);
  CHECK(search.over());  // 10 has been silent for longer than nine in ten
  answer(search, 10);    // and is used when it does answer
  CHECK(search.closest().front()->contact.id == contact(10).id);
}

TEST_CASE("sim: introducers are asked first, and take their place when they say who they are") {
  PolicySearch search = search_of(Policy::bep5(), 1);
  const wire::Endpoint introducer = contact(3).endpoint;
  search.add_introducer(introducer);
  REQUIRE(search.next(kStart, 1h)->endpoint == introducer);
  CHECK(search.answered(introducer, contact(3).id, {}, std::vector{contact(2)}));
  CHECK_FALSE(search.answered(introducer, contact(3).id, {}, {}));  // once
  CHECK(ask_all(search, kStart) == std::vector<int>{2, 10});
  answer(search, 2);
  // An answer under another name is none.
  CHECK(search.answered(contact(10).endpoint, contact(11).id, {}, {}));
  CHECK(search.over());
  REQUIRE(search.closest().size() == 2);
  CHECK(search.closest()[0]->contact.id == contact(2).id);
  CHECK(search.closest()[1]->contact.id == contact(3).id);
}
