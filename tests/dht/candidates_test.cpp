// SPDX-License-Identifier: Apache-2.0
#include "dht/candidates.hpp"

#include <vector>

#include <catch2/catch.hpp>

#include "dht/node_id_security.hpp"
#include "wire/base/rng.hpp"

using namespace lodestone;
using namespace std::chrono_literals;
using dht::Candidates;
using State = Candidates::State;

namespace {

/// A contact at that distance from the target, which is zero.
dht::Contact at(std::uint8_t distance) {
  dht::Contact c;
  c.id.bytes()[0] = distance;
  c.endpoint = {wire::Address::v4(11, 0, distance, 1), 6881};
  return c;
}

const auto kAny = [](const Candidates::Candidate&) { return true; };

}  // namespace

TEST_CASE("the closest are asked first, never more than are wanted") {
  Candidates c{{}, true};
  for (const std::uint8_t d : std::initializer_list<std::uint8_t>{50, 10, 30, 20, 40}) CHECK(c.add(at(d)));
  std::vector<std::uint8_t> asked;
  while (const auto i = c.take_next(3, kAny)) asked.push_back(c.at(*i).contact.id.bytes()[0]);
  CHECK(asked == std::vector<std::uint8_t>{10, 20, 30});
  CHECK(c.in_flight(8) == 3);
}

TEST_CASE("L2 a slow one frees its slot, and the search still waits for it") {
  Candidates c{{}, true};
  for (const std::uint8_t d : std::initializer_list<std::uint8_t>{10, 20}) c.add(at(d));
  const auto first = *c.take_next(1, kAny);
  CHECK_FALSE(c.take_next(1, kAny));
  c.set_state(first, State::slow);
  CHECK(c.in_flight(8) == 0);
  const auto second = c.take_next(1, kAny);
  REQUIRE(second);
  c.answered(*second, at(20).id, 10ms, {});
  CHECK_FALSE(c.search_over(1, kAny));
  c.set_state(first, State::overdue);
  CHECK(c.search_over(1, kAny));
  c.answered(first, at(10).id, 5s, {});  // late, but used
  std::vector<std::uint8_t> order;
  c.for_each_answered([&](const auto& x) {
    order.push_back(x.contact.id.bytes()[0]);
    return true;
  });
  CHECK(order == std::vector<std::uint8_t>{10, 20});
}

TEST_CASE("L1 the search is over when the closest have answered and nothing closer is outstanding") {
  Candidates c{{}, true};
  for (const std::uint8_t d : std::initializer_list<std::uint8_t>{10, 20, 30, 40}) c.add(at(d));
  const auto a = *c.take_next(2, kAny);
  const auto b = *c.take_next(2, kAny);
  c.answered(b, at(20).id, 1ms, {});
  CHECK_FALSE(c.search_over(2, kAny));
  c.set_state(a, State::failed);
  CHECK_FALSE(c.search_over(2, kAny));  // 30 is to be asked now
  const auto d = *c.take_next(2, kAny);
  CHECK(c.at(d).contact.id.bytes()[0] == 30);
  c.add(at(5));  // somebody named a closer one
  c.answered(d, at(30).id, 1ms, {});
  CHECK_FALSE(c.search_over(2, kAny));
  const auto e = *c.take_next(2, kAny);
  CHECK(c.at(e).contact.id.bytes()[0] == 5);
  c.answered(e, at(5).id, 1ms, {});
  CHECK(c.search_over(2, kAny));
  CHECK_FALSE(c.take_next(2, kAny));
}

TEST_CASE("L8 one query per address and per /24, unless the net is private") {
  const bool diverse = GENERATE(true, false);
  Candidates c{{}, diverse};
  auto same_address = at(20);
  same_address.endpoint = {at(10).endpoint.address, 7000};
  auto same_prefix = at(30);
  same_prefix.endpoint.address = wire::Address::v4(11, 0, 10, 9);
  for (const auto& x : {at(10), same_address, same_prefix, at(40)}) CHECK(c.add(x));
  std::vector<std::uint8_t> asked;
  while (const auto i = c.take_next(8, kAny)) asked.push_back(c.at(*i).contact.id.bytes()[0]);
  CHECK(c.crowded_out() == (diverse ? 2u : 0u));
  CHECK(asked == (diverse ? std::vector<std::uint8_t>{10, 40} : std::vector<std::uint8_t>{10, 20, 30, 40}));
}

TEST_CASE("L7 an endpoint is a candidate once, whatever it is called") {
  Candidates c{{}, false};
  CHECK(c.add(at(10)));
  auto renamed = at(20);
  renamed.endpoint = at(10).endpoint;
  CHECK_FALSE(c.add(renamed));
  CHECK_FALSE(c.add_introducer(at(10).endpoint));
}

TEST_CASE("an introducer comes last and gets its place when it answers") {
  Candidates c{{}, true};
  c.add(at(50));
  CHECK(c.add_introducer(at(10).endpoint));
  const auto known = *c.take_next(8, kAny);
  CHECK(c.at(known).contact.id == at(50).id);
  const auto unknown = *c.take_next(8, kAny);
  c.answered(known, at(50).id, 1ms, {});
  c.answered(unknown, at(10).id, 1ms, {});
  std::vector<std::uint8_t> order;
  c.for_each_answered([&](const auto& x) {
    order.push_back(x.contact.id.bytes()[0]);
    return true;
  });
  CHECK(order == std::vector<std::uint8_t>{10, 50});
}

TEST_CASE("one id at two addresses counts once") {
  Candidates c{{}, true};
  c.add(at(10));
  auto twin = at(10);
  twin.endpoint.address = wire::Address::v4(11, 0, 99, 1);
  c.add(twin);
  const auto a = *c.take_next(8, kAny);
  const auto b = *c.take_next(8, kAny);
  c.answered(a, at(10).id, 1ms, {});
  c.answered(b, at(10).id, 1ms, {});
  int n = 0;
  c.for_each_answered([&](const auto&) { return ++n > 0; });
  CHECK(n == 1);
}

TEST_CASE("a network that names ever closer nodes does not make a lookup grow without end") {
  Candidates c{{}, false};
  for (std::uint32_t i = 0; i < 5'000; ++i) {
    dht::Contact x;
    wire::store_be32(x.id.bytes().data(), 5'000 - i);
    x.endpoint = {wire::Address::v4(0x0b000000u + i), 6881};
    c.add(x);
  }
  CHECK(c.size() == 1'024);
}

TEST_CASE("a full list of candidates gives up the farthest unasked for a closer one") {
  Candidates c{{}, false};
  std::uint32_t next_address = 0;
  const auto far = [&](std::uint32_t distance) {
    dht::Contact x;
    wire::store_be32(x.id.bytes().data(), distance);
    x.endpoint = {wire::Address::v4(0x0c000000u + ++next_address), 6881};
    return x;
  };
  const auto first = far(0xf0000000u);
  CHECK(c.add(first));
  const auto asked = *c.take_next(8, kAny);
  for (std::uint32_t i = 0; i < 5'000; ++i) c.add(far(0x80000000u + i));
  CHECK(c.size() == 1'024);
  CHECK(c.add(at(1)));
  CHECK_FALSE(c.add(far(0xffffffffu)));
  CHECK(c.size() == 1'024);
  CHECK(c.at(asked).contact == first);  // who has been asked keeps its place
  c.answered(asked, first.id, 1ms, {});
  const auto closest = c.take_next(8, kAny);
  REQUIRE(closest);
  CHECK(c.at(*closest).contact == at(1));
}

namespace {

/// An endpoint under a name of somebody's choice.
dht::Contact called(std::uint8_t name, std::uint8_t endpoint) { return {at(name).id, at(endpoint).endpoint}; }

std::vector<std::uint8_t> answered(const Candidates& c) {
  std::vector<std::uint8_t> out;
  c.for_each_answered([&](const auto& x) {
    out.push_back(x.contact.id.bytes()[0]);
    return true;
  });
  return out;
}

}  // namespace

TEST_CASE("L6 a candidate counts under the id that it answers with") {
  Candidates c{{}, true};
  c.add(at(90));
  const auto liar = *c.take_next(8, kAny);
  c.answered(liar, at(90).id, 10ms, {});
  CHECK(c.add(called(1, 50), liar));
  CHECK(c.add(at(20), liar));
  const auto i = *c.take_next(8, kAny);
  CHECK(c.at(i).contact == called(1, 50));
  const auto j = *c.take_next(8, kAny);
  c.answered(i, at(50).id, 10ms, {});
  c.answered(j, at(20).id, 10ms, {});
  CHECK(answered(c) == std::vector<std::uint8_t>{20, 50, 90});
  CHECK(c.at(liar).misnamed == 1);
}

TEST_CASE("L6 of several ids that an endpoint is given the closest decides when it is asked, unless we knew it") {
  Candidates c{{}, true};
  c.add(at(90));
  c.add(at(60));  // ours
  const auto namer = *c.take_next(1, kAny);
  REQUIRE(c.at(namer).contact == at(60));
  c.answered(namer, at(60).id, 10ms, {});
  CHECK(c.add(called(200, 50), namer));  // put out of sight
  CHECK_FALSE(c.add(at(50), Candidates::Index{1}));
  CHECK_FALSE(c.add(called(120, 50), namer));
  CHECK_FALSE(c.add(called(2, 90), namer));  // we know better
  const auto i = *c.take_next(8, kAny);
  CHECK(c.at(i).contact == at(90));  // and what we know comes first (L8)
  const auto j = *c.take_next(8, kAny);
  CHECK(c.at(j).contact == at(50));
}

TEST_CASE("L6 what a node has named that put two others elsewhere is dropped, and holds no prefix") {
  Candidates c{{}, true};
  c.add(at(90));
  c.add(at(91));
  const auto honest = *c.take_next(2, kAny);
  const auto liar = *c.take_next(2, kAny);
  c.answered(honest, at(90).id, 10ms, {});
  c.answered(liar, at(91).id, 10ms, {});
  for (std::uint8_t d = 1; d <= 4; ++d) c.add(called(d, static_cast<std::uint8_t>(50 + d)), liar);
  c.add(called(7, 57), liar);
  c.add(called(7, 57), honest);  // whoever says it, it is not the liar alone
  const auto next = *c.take_next(8, kAny);
  CHECK(c.at(next).contact == called(7, 57));
  for (std::uint8_t d = 1; d <= 2; ++d) {
    const auto i = *c.take_next(8, kAny);
    c.answered(i, at(static_cast<std::uint8_t>(50 + d)).id, 10ms, {});
  }
  CHECK(c.at(liar).misnamed == 2);
  CHECK_FALSE(c.take_next(8, kAny));
  CHECK(c.add(at(53), honest));  // under its own name it is welcome
  const auto again = c.take_next(8, kAny);
  REQUIRE(again);
  CHECK(c.at(*again).contact == at(53));
}

TEST_CASE("L8 of two that answer under one id the one counts that may have it") {
  Candidates c{{}, true};
  auto rng = wire::Rng::from_number(1);
  dht::Contact proper = at(10), thief = at(20);
  proper.id = thief.id = dht::derive_id(proper.endpoint.address, rng);
  c.add(thief);
  const auto first = *c.take_next(8, kAny);
  c.answered(first, thief.id, 10ms, {});
  c.add(proper);
  const auto second = *c.take_next(8, kAny);
  c.answered(second, proper.id, 10ms, {});
  CHECK(c.at(first).state == State::failed);
  CHECK(c.at(second).state == State::answered);
}

TEST_CASE("L1 the search does not wait for slow ones when enough have answered within the reach that is expected") {
  Candidates c{{}, true};
  for (const std::uint8_t d : std::initializer_list<std::uint8_t>{10, 20, 30}) c.add(at(d));
  const auto slow = *c.take_next(3, kAny);
  const auto second = *c.take_next(3, kAny), third = *c.take_next(3, kAny);
  c.set_state(slow, State::slow);
  c.answered(second, at(20).id, 10ms, {});
  CHECK_FALSE(c.search_over(2, kAny, 1.0));  // one is out
  c.answered(third, at(30).id, 10ms, {});
  CHECK_FALSE(c.search_over(2, kAny));
  CHECK_FALSE(c.search_over(2, kAny, 0.1));
  CHECK(c.search_over(2, kAny, 0.12));
  CHECK_FALSE(c.search_over(3, kAny, 1.0));  // there are not so many
}

TEST_CASE("L8 whom only one node has named is asked after those whom several or we ourselves know") {
  Candidates c{{}, true};
  for (const std::uint8_t d : std::initializer_list<std::uint8_t>{50, 60}) c.add(at(d));
  const auto first = *c.take_next(8, kAny), second = *c.take_next(8, kAny);
  for (const std::uint8_t d : std::initializer_list<std::uint8_t>{5, 10, 20}) c.add(at(d), first);
  c.add(at(30));
  c.add_hearsay(at(7));
  c.add(at(20), second);
  std::vector<std::uint8_t> asked;
  while (const auto i = c.take_next(8, kAny)) asked.push_back(c.at(*i).contact.id.bytes()[0]);
  CHECK(asked == std::vector<std::uint8_t>{20, 30, 5, 7, 10});
}

TEST_CASE("L8 what only one has named is not left out for those who lie farther away than is wanted") {
  Candidates c{{}, true};
  for (const std::uint8_t d : std::initializer_list<std::uint8_t>{50, 60, 70}) c.add(at(d));
  const auto first = *c.take_next(2, kAny);
  (void)*c.take_next(2, kAny);
  CHECK_FALSE(c.take_next(2, kAny));  // 70 is the third
  c.add(at(5), first);
  const auto next = c.take_next(2, kAny);
  REQUIRE(next);
  CHECK(c.at(*next).contact.id.bytes()[0] == 5);
}

TEST_CASE("L2 a query to one that is overtaken by closer ones holds no slot") {
  Candidates c{{}, true};
  for (const std::uint8_t d : std::initializer_list<std::uint8_t>{50, 60}) c.add(at(d));
  const auto first = *c.take_next(8, kAny), second = *c.take_next(8, kAny);
  CHECK(c.in_flight(3) == 2);
  for (const std::uint8_t d : std::initializer_list<std::uint8_t>{5, 10}) c.add(at(d), first);
  CHECK(c.in_flight(3) == 1);  // 60 is the fourth now
  c.add(at(20), first);
  CHECK(c.in_flight(3) == 0);
  const auto closest = *c.take_next(8, kAny);
  CHECK(c.in_flight(3) == 1);
  c.set_state(closest, State::slow);  // it may not come back at all
  c.answered(*c.take_next(8, kAny), at(10).id, 10ms, {});
  CHECK(c.in_flight(3) == 1);  // 10, 20, 50
  c.answered(second, at(60).id, 10ms, {});
  CHECK(c.in_flight(3) == 1);
}

TEST_CASE("introducers, whose ids nobody knows, come after whom anybody has named") {
  Candidates c{{}, true};
  const wire::Endpoint introducer{wire::Address::v4(12, 0, 0, 1), 6881};
  c.add(at(50));
  const auto first = *c.take_next(8, kAny);
  c.add_introducer(introducer);
  c.add(at(60), first);
  CHECK(c.at(*c.take_next(8, kAny)).contact.id.bytes()[0] == 60);
  CHECK(c.at(*c.take_next(8, kAny)).contact.endpoint == introducer);
}
