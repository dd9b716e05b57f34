// SPDX-License-Identifier: Apache-2.0
// A lookup alone, with the test as the network.
#include "dht/lookup.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <vector>

#include <catch2/catch.hpp>

using namespace lodestone;
using namespace std::chrono_literals;
using dht::event::AnnounceDone;
using dht::event::LookupDone;
using dht::event::PeersFound;
using Next = dht::Traversal::Next;

namespace {

constexpr std::size_t kK = 4;

dht::Contact at(std::uint8_t distance) {
  dht::Contact c;
  c.id.bytes()[0] = distance;
  c.endpoint = {wire::Address::v4(11, 0, distance, 1), 6881};
  return c;
}
wire::Endpoint peer(std::uint8_t n, std::uint16_t port = 7000) { return {wire::Address::v4(12, 0, 0, n), port}; }

struct Bench {
  using Adjust = std::function<void(dht::Lookup::Params&)>;
  explicit Bench(std::optional<dht::AnnounceSpec> announce = std::nullopt, bool silent = false, bool diverse = true,
                 const Adjust& adjust = nullptr) {
    dht::Lookup::Params p;
    p.id = 77;
    p.method = dht::krpc::Method::get_peers;
    p.announce = announce;
    p.known_as = announce;
    p.silent = silent;
    p.diverse = diverse;
    p.k = kK;
    p.alpha = 3;
    if (adjust) adjust(p);
    policy.allow(wire::AddressKind::global);
    own.bytes()[19] = 1;
    lookup = std::make_unique<dht::Lookup>(p, own, dht::Guard{wire::Family::v4, policy});
  }
  void begin(std::initializer_list<std::uint8_t> distances) {
    std::vector<dht::Contact> contacts;
    for (const auto d : distances) contacts.push_back(at(d));
    lookup->begin(now, contacts, {});
    ask();
  }
  /// Sends what is to be sent, and lets phases close.
  void ask() {
    if (state == Next::over) return;  // as a node does
    for (;;) {
      while (const auto a = lookup->next(now)) {
        const auto distance = a->to.address.bytes()[2];
        CHECK(open.emplace(distance, a->tag).second);
        asked.push_back(distance);
        methods.push_back(a->method);
        tokens.emplace_back(wire::as_text(a->token));
      }
      state = lookup->settle(now, out);
      if (state != Next::ask) return;
    }
  }
  struct Says {
    std::vector<std::uint8_t> nodes;
    std::string token = "tok";
    std::vector<wire::Endpoint> values;
  };
  void reply(std::uint8_t distance, const Says& says) {
    wire::ByteVector nodes;
    for (const auto d : says.nodes) {
      std::uint8_t raw[26];
      at(d).write_compact(raw);
      nodes.insert(nodes.end(), raw, raw + 26);
    }
    wire::ByteVector values;
    wire::bencode::Writer w{values};
    w.begin_list();
    for (const auto& v : says.values) {
      std::uint8_t raw[18];
      w.string(wire::Bytes{raw, v.write_compact(raw)});
    }
    w.end();
    wire::bencode::Document document;
    const auto view = document.parse(values);
    REQUIRE(view);
    dht::krpc::Reply r;
    r.nodes = nodes;
    r.token = wire::as_bytes(says.token);
    if (!says.values.empty()) r.values = *view;
    const auto from = at(distance);
    lookup->on_reply(now, take(distance), {from, 50ms, r, own_address, nullptr, &counters}, out);
    ask();
  }
  void late(std::uint8_t distance, dht::Lateness how) {
    lookup->on_late(now, open.at(distance), how, out);
    ask();
  }
  void refuse(std::uint8_t distance) {
    lookup->on_refused(now, take(distance), 201, out);
    ask();
  }
  std::uint32_t take(std::uint8_t distance) {
    const auto tag = open.at(distance);
    open.erase(distance);
    return tag;
  }
  template <class E>
  std::vector<E> all() const {
    std::vector<E> found;
    for (const auto& e : out.events)
      if (const auto* x = std::get_if<E>(&e)) found.push_back(*x);
    return found;
  }

  wire::AddressPolicy policy;
  wire::NodeId own;
  dht::OwnAddress own_address;
  std::unique_ptr<dht::Lookup> lookup;
  wire::Instant now{1h};
  dht::Output out;
  dht::Counters counters;
  std::map<std::uint8_t, std::uint32_t> open;
  std::vector<std::uint8_t> asked;
  std::vector<dht::krpc::Method> methods;
  std::vector<std::string> tokens;
  Next state = Next::wait;
};

using Distances = std::vector<std::uint8_t>;

}  // namespace

TEST_CASE("L1 values do not end a lookup: peers are streamed while it goes on to the closest") {
  Bench b;
  b.begin({100, 110, 120});
  b.now += 50ms;
  b.reply(100, {{50, 60}, "tok", {peer(1), peer(2)}});
  REQUIRE(b.all<PeersFound>().size() == 1);
  CHECK(b.all<PeersFound>()[0].peers == std::vector{peer(1), peer(2)});
  CHECK(b.all<PeersFound>()[0].from == at(100).endpoint);
  CHECK(b.all<PeersFound>()[0].lookup == 77);
  CHECK(b.state == Next::wait);
  b.reply(110, {{}, "tok", {}});
  b.reply(50, {{10, 20}, "tok", {}});
  b.reply(60, {{}, "tok", {}});
  CHECK(b.all<LookupDone>().empty());
  b.reply(10, {{}, "tok", {peer(3)}});
  b.now += 50ms;
  b.reply(20, {{}, "tok", {}});
  CHECK(b.state == Next::over);
  REQUIRE(b.all<LookupDone>().size() == 1);
  const auto stats = b.all<LookupDone>()[0].stats;
  CHECK(stats.duration == 100ms);
  CHECK(stats.first_value == 50ms);
  CHECK(stats.peers == 3);
  CHECK(stats.timeouts == 0);
  Distances closest;
  for (const auto& c : stats.closest) closest.push_back(c.id.bytes()[0]);
  CHECK(closest == Distances{10, 20, 50, 60});
}

TEST_CASE("L1 a lookup that gets no answer at all ends, too") {
  Bench b;
  b.begin({10, 20});
  for (const auto how : {dht::Lateness::slow, dht::Lateness::overdue}) {
    b.late(10, how);
    b.late(20, how);
  }
  CHECK(b.state == Next::over);
  const auto stats = b.all<LookupDone>()[0].stats;
  CHECK(stats.asked == 2);
  CHECK(stats.answered == 0);
  CHECK(stats.timeouts == 2);
}

TEST_CASE("L2 a slow reply frees its slot at once and is still used") {
  Bench b;
  b.begin({10, 20, 30, 40, 50});
  CHECK(b.asked == Distances{10, 20, 30});
  b.late(10, dht::Lateness::slow);
  CHECK(b.asked == Distances{10, 20, 30, 40});
  b.reply(20, {});
  b.reply(30, {});
  b.reply(40, {});
  CHECK(b.asked == Distances{10, 20, 30, 40, 50});
  b.reply(50, {});
  CHECK(b.state == Next::wait);  // 10 might still answer
  b.reply(10, {{5}, "tok", {peer(1)}});
  CHECK(b.all<PeersFound>().size() == 1);
  b.reply(5, {});
  CHECK(b.state == Next::over);
  CHECK(b.all<LookupDone>()[0].stats.timeouts == 0);
}

TEST_CASE("L3 exactly the K closest that gave a token are told, with their own token") {
  Bench b{dht::AnnounceSpec{7000, false}};
  b.begin({10, 20, 30, 40, 50, 60});
  b.reply(10, {{}, "t10", {}});
  b.reply(20, {{}, "", {}});  // its store is full: the announce goes outward
  b.reply(30, {{}, "t30", {}});
  b.reply(40, {{}, "t40", {}});
  CHECK(b.all<LookupDone>().empty());
  CHECK(b.asked == Distances{10, 20, 30, 40, 50});
  b.asked.clear();
  b.tokens.clear();
  b.reply(50, {{}, "t50", {}});
  CHECK(b.all<LookupDone>().size() == 1);
  CHECK(b.asked == Distances{10, 30, 40, 50});
  CHECK(b.tokens == std::vector<std::string>{"t10", "t30", "t40", "t50"});
  b.reply(10, {});
  b.reply(30, {});
  b.refuse(40);
  CHECK(b.state == Next::wait);
  b.late(50, dht::Lateness::slow);
  CHECK(b.state == Next::wait);
  b.late(50, dht::Lateness::overdue);
  CHECK(b.state == Next::over);
  const auto done = b.all<AnnounceDone>();
  REQUIRE(done.size() == 1);
  CHECK(done[0].stored.size() == 2);
  CHECK(done[0].stored[0].id == at(10).id);
  CHECK(done[0].refused == 2);
  CHECK(b.lookup->outcome().stored == 2);
}

TEST_CASE("L3 nodes that all withhold their tokens do not make an announcing lookup endless") {
  Bench b{dht::AnnounceSpec{7000, false}};
  b.begin({10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120});
  for (int i = 0; i < 12 && b.state == Next::wait; ++i) b.reply(b.open.begin()->first, {{}, "", {}});
  CHECK(b.state == Next::over);
  CHECK(b.asked.size() <= 3 * kK);  // two thirds that are enough, and who was asked with the last of them
  CHECK(b.all<AnnounceDone>()[0].stored.empty());
}

TEST_CASE("L4 port 0 and 1, martians, foreign kinds, ourselves and duplicates are dropped") {
  Bench b{dht::AnnounceSpec{7000, false}};
  const wire::Endpoint we{wire::Address::v4(12, 0, 0, 99), 6881};
  b.own_address.vote(at(1).endpoint, we);
  b.begin({10, 20, 30});
  b.reply(10, {{},
               "tok",
               {peer(1, 0),
                peer(2, 1),
                peer(3),
                peer(3),
                {wire::Address::v4(224, 0, 0, 1), 7000},
                {wire::Address::v4(192, 168, 0, 1), 7000},
                {wire::Address::v4(127, 0, 0, 1), 7000},
                we,
                {we.address, 7000},
                {we.address, 7001},
                *wire::Endpoint::parse("[2606:4700::1]:7000")}});
  REQUIRE(b.all<PeersFound>().size() == 1);
  CHECK(b.all<PeersFound>()[0].peers == std::vector<wire::Endpoint>{peer(3), {we.address, 7001}});
  CHECK(b.counters.peers_port == 2);
  CHECK(b.counters.peers_duplicate == 1);
  CHECK(b.counters.peers_kind == 3);
  CHECK(b.counters.peers_own == 2);
  CHECK(b.counters.peers_malformed == 1);
  CHECK(b.counters.peers_surplus == 0);
  b.reply(20, {{}, "tok", {peer(3)}});
  CHECK(b.all<PeersFound>().size() == 1);
  CHECK(b.counters.peers_duplicate == 1);  // that somebody else has it, too, is no fault
  b.reply(30, {{}, "tok", {peer(3), peer(4)}});
  CHECK(b.all<PeersFound>().back().peers == std::vector{peer(4)});
}

TEST_CASE("L4 one reply names an address once, unless the net is private") {
  const bool diverse = GENERATE(true, false);
  Bench b{std::nullopt, false, diverse};
  b.begin({10, 20});
  b.reply(10, {{}, "tok", {peer(1, 7000), peer(1, 7001), peer(2), peer(1, 7002)}});
  REQUIRE(b.all<PeersFound>().size() == 1);
  CHECK(b.all<PeersFound>()[0].peers.size() == (diverse ? 2u : 4u));
  // Another node may know another port: a liar must not keep the right one out.
  b.reply(20, {{}, "tok", {peer(1, 7000), peer(1, 7003)}});
  REQUIRE(b.all<PeersFound>().size() == (diverse ? 1u : 2u));
  Bench c{std::nullopt, false, diverse};
  c.begin({10, 20});
  c.reply(10, {{}, "tok", {peer(1, 7000)}});
  c.reply(20, {{}, "tok", {peer(1, 7003)}});
  CHECK(c.all<PeersFound>().size() == 2);
}

TEST_CASE("L6 who answers with an error or under another id is no result") {
  Bench b;
  b.begin({10, 20, 30, 40, 50});
  b.refuse(10);
  for (const std::uint8_t d : std::initializer_list<std::uint8_t>{20, 30, 40, 50}) b.reply(d, {});
  CHECK(b.state == Next::over);
  const auto stats = b.all<LookupDone>()[0].stats;
  CHECK(stats.closest.size() == 4);
  CHECK(stats.closest[0].id == at(20).id);
  CHECK(stats.timeouts == 0);
}

TEST_CASE("L6 a reply without a token is still a reply") {
  Bench b;
  b.begin({10});
  b.reply(10, {{}, "", {peer(1)}});
  CHECK(b.all<LookupDone>()[0].stats.answered == 1);
  CHECK_FALSE(b.all<LookupDone>()[0].stats.closest[0].token);
  CHECK(b.all<PeersFound>().size() == 1);
}

TEST_CASE("nodes that we do not talk to, and ourselves, are not asked") {
  Bench b;
  b.begin({100});
  Bench::Says says;
  says.nodes = {50};
  b.reply(100, says);
  CHECK(b.asked == Distances{100, 50});
  dht::krpc::Reply r;
  wire::ByteVector nodes;
  for (const char* text : {"127.0.0.1:6881", "10.0.0.1:6881", "12.0.0.1:0", "224.0.0.1:6881"}) {
    std::uint8_t raw[26];
    dht::Contact{at(3).id, *wire::Endpoint::parse(text)}.write_compact(raw);
    nodes.insert(nodes.end(), raw, raw + 26);
  }
  std::uint8_t raw[26];
  dht::Contact{b.own, at(4).endpoint}.write_compact(raw);
  nodes.insert(nodes.end(), raw, raw + 26);
  r.nodes = nodes;
  const auto from = at(50);
  b.lookup->on_reply(b.now, b.take(50), {from, 1ms, r, b.own_address, nullptr, &b.counters}, b.out);
  b.ask();
  CHECK(b.asked == Distances{100, 50});
  CHECK(b.state == Next::over);
  CHECK(b.counters.named_refused == 4);
}

TEST_CASE("a silent lookup of the node's own upkeep has no events") {
  Bench b{std::nullopt, true};
  b.begin({10});
  b.reply(10, {});
  CHECK(b.state == Next::over);
  CHECK(b.out.events.empty());
  CHECK(b.lookup->outcome().answered == 1);
}

// --- with an estimate of how densely nodes lie ---

namespace {

/// A share of the key space that ends right behind that distance.
double behind(std::uint8_t distance) { return (distance + 0.5) / 256; }
const dht::AnnounceSpec kSpec{7000, false};

}  // namespace

TEST_CASE("L3 a node that is close enough is told as soon as its token comes, the others at the end") {
  Bench b{kSpec, false, true, [](auto& p) { p.near = behind(30); }};
  b.begin({100, 110, 120});
  b.reply(100, {{20, 40}, "t100", {}});
  b.reply(20, {{25, 50}, "t20", {}});
  REQUIRE(b.methods.size() >= 6);
  CHECK(b.asked[5] == 20);
  CHECK(b.methods[5] == dht::krpc::Method::announce_peer);
  CHECK(b.tokens[5] == "t20");
  CHECK(b.all<LookupDone>().empty());
  b.reply(20, {});  // it has stored it
  b.reply(110, {});
  b.reply(120, {});
  b.reply(40, {{}, "t40", {}});
  b.reply(25, {{}, "", {}});  // close, but it gives no token
  CHECK(b.all<LookupDone>().empty());
  b.asked.clear();
  b.reply(50, {{}, "t50", {}});
  REQUIRE(b.all<LookupDone>().size() == 1);
  CHECK(b.asked == Distances{40, 50, 100});
  for (const auto d : b.asked) b.reply(d, {});
  CHECK(b.state == Next::over);
  REQUIRE(b.all<AnnounceDone>().size() == 1);
  CHECK(b.all<AnnounceDone>()[0].stored.size() == 4);
  CHECK(std::count(b.methods.begin(), b.methods.end(), dht::krpc::Method::announce_peer) == 4);  // L7
}

TEST_CASE("L3 optimistic announcing tells at most K, and four more in all when others turn out closer") {
  Bench b{kSpec, false, true, [](auto& p) {
            p.near = behind(99);
            p.alpha = 1;
          }};
  b.begin({90});
  std::uint32_t told = 0;
  for (std::uint8_t d = 90; d > 60; --d) {
    b.reply(d, {{static_cast<std::uint8_t>(d - 1)}, "tok", {}});
    while (b.methods.size() > b.open.size() && b.open.contains(d)) b.reply(d, {}), ++told;
    REQUIRE(b.state == Next::wait);
  }
  CHECK(told == kK);
  b.late(60, dht::Lateness::slow);
  b.late(60, dht::Lateness::overdue);
  while (!b.open.empty()) b.reply(b.open.begin()->first, {});
  CHECK(b.state == Next::over);
  const auto done = b.all<AnnounceDone>();
  REQUIRE(done.size() == 1);
  CHECK(done[0].stored.size() <= kK + dht::Announce::kMore);
  for (std::uint8_t d = 61; d < 61 + kK; ++d) {
    CHECK(std::any_of(done[0].stored.begin(), done[0].stored.end(), [d](const auto& n) { return n.id == at(d).id; }));
  }
}

TEST_CASE("L1 slow nodes are not waited for when those that have answered are as close as all that are expected") {
  const bool dense = GENERATE(true, false);
  Bench b{std::nullopt, false, true, [dense](auto& p) { p.enough = behind(dense ? 60 : 40); }};
  b.begin({10, 20, 30, 40, 50});
  b.late(10, dht::Lateness::slow);
  for (const std::uint8_t d : std::initializer_list<std::uint8_t>{20, 30, 40}) b.reply(d, {});
  CHECK(b.all<LookupDone>().empty());  // three are too few, however close
  b.reply(50, {});
  CHECK((b.state == Next::over) == dense);
  CHECK_FALSE(b.lookup->outcome().reach.has_value());  // not everybody was waited for: no measure of the density
  b.reply(10, {{}, "tok", {peer(1)}});
  CHECK(b.all<PeersFound>().size() == 1);  // L2
  CHECK(b.all<LookupDone>().size() == 1);
  if (!dense) CHECK(b.lookup->outcome().reach == Approx(40.0 / 256).margin(0.001));
}

TEST_CASE("L1 a node that is expected any moment is always waited for, and so are unasked ones that are closer") {
  Bench b{std::nullopt, false, true, [](auto& p) { p.enough = 1; }};
  b.begin({10, 20, 30, 40});
  b.reply(20, {});
  b.reply(30, {{15}, "tok", {}});
  b.reply(40, {});
  CHECK(b.state == Next::wait);
  b.late(10, dht::Lateness::slow);
  CHECK(b.state == Next::wait);  // 15 is out
  b.reply(15, {});
  CHECK(b.state == Next::over);
}

TEST_CASE("L3 a closer node that answers while others are being told is told, too") {
  Bench b{kSpec, false, true, [](auto& p) { p.enough = behind(60); }};
  b.begin({10, 20, 30, 40, 50});
  b.late(10, dht::Lateness::slow);
  for (const std::uint8_t d : std::initializer_list<std::uint8_t>{20, 30, 40, 50}) b.reply(d, {});
  CHECK(b.all<LookupDone>().size() == 1);
  b.asked.clear();
  b.reply(10, {{}, "late", {}});
  CHECK(b.asked == Distances{10});
  CHECK(b.tokens.back() == "late");
  while (!b.open.empty()) b.reply(b.open.begin()->first, {});
  CHECK(b.all<AnnounceDone>()[0].stored.size() == 5);
}

TEST_CASE("L2 a lookup for peers has more in flight until the first value") {
  Bench b{std::nullopt, false, true, [](auto& p) {
            p.alpha = 1;
            p.beta = 2;
          }};
  b.begin({10, 20, 30, 40, 50});
  CHECK(b.asked == Distances{10, 20, 30});
  b.reply(30, {{6, 7, 8, 9}, "tok", {}});
  CHECK(b.asked == Distances{10, 20, 30, 6, 7, 8});  // 10 and 20 are overtaken, and hold no slot
  b.reply(10, {{}, "tok", {peer(1)}});
  b.reply(20, {});
  b.reply(6, {});
  b.reply(7, {});
  CHECK(b.asked.size() == 6);  // 8 is one
  b.reply(8, {});
  CHECK(b.asked.back() == 9);
  b.reply(9, {});
  CHECK(b.state == Next::over);
}

TEST_CASE("L2 until the first value a lookup asks beyond the k closest, and not after it") {
  Bench b{std::nullopt, false, true, [](auto& p) { p.beta = 3; }};
  b.begin({10, 20, 30, 40, 50, 60, 70, 80});
  CHECK(b.asked == Distances{10, 20, 30, 40, 50, 60});  // alpha 3 and beta 3, where k is 4
  b.reply(60, {});
  CHECK(b.asked.size() == 6);  // it is one of the six that are wanted
  b.late(10, dht::Lateness::lost);
  CHECK(b.asked.back() == 70);
  b.reply(40, {{}, "tok", {peer(1)}});
  b.late(20, dht::Lateness::lost);
  b.late(70, dht::Lateness::lost);
  CHECK(b.asked.size() == 7);  // 30 may answer, 40 and 60 have, and 50 may
  b.late(50, dht::Lateness::lost);
  CHECK(b.asked.back() == 80);
}

TEST_CASE("L6 who is named under an id of somebody's choice counts under its own, and its liar is believed no more") {
  Bench b;
  b.begin({100});
  // 100 names five endpoints of honest nodes, as the closest of all.
  wire::ByteVector nodes;
  for (std::uint8_t d = 1; d <= 5; ++d) {
    std::uint8_t raw[26];
    dht::Contact{at(d).id, at(static_cast<std::uint8_t>(50 + d)).endpoint}.write_compact(raw);
    nodes.insert(nodes.end(), raw, raw + 26);
  }
  dht::krpc::Reply r;
  r.nodes = nodes;
  r.token = wire::as_bytes("tok");
  const auto liar = at(100);
  b.lookup->on_reply(b.now, b.take(100), {liar, 1ms, r, b.own_address}, b.out);
  b.ask();
  CHECK(b.asked == Distances{100, 51, 52, 53});
  b.reply(51, {{60}, "tok", {peer(1)}});
  CHECK(b.all<PeersFound>().size() == 1);
  b.reply(52, {});
  b.reply(53, {});
  CHECK(std::find(b.asked.begin(), b.asked.end(), 55) == b.asked.end());  // the liar's last word
  while (!b.open.empty()) b.reply(b.open.begin()->first, {});
  REQUIRE(b.state == Next::over);
  const auto closest = b.all<LookupDone>()[0].stats.closest;
  Distances found;
  for (const auto& n : closest) found.push_back(n.id.bytes()[0]);
  CHECK(std::find(found.begin(), found.end(), 51) != found.end());
  CHECK(std::find(found.begin(), found.end(), 52) != found.end());
  CHECK(found.front() >= 51);
}

TEST_CASE(
    "L8 optimistic announcing tells ids of free choice no more than half of the places, ever closer ones or not") {
  Bench b{kSpec, false, true, [](auto& p) {
            p.near = 1;
            p.alpha = 1;
            p.prefer_verified = true;
          }};
  b.begin({90});  // no id here is one that its address allows
  std::uint32_t told = 0;
  for (std::uint8_t d = 90; d > 70; --d) {
    b.reply(d, {{static_cast<std::uint8_t>(d - 1)}, "tok", {}});
    if (b.open.contains(d)) b.reply(d, {}), ++told;
  }
  CHECK(told == kK / 2);
}
