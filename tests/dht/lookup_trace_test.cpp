// SPDX-License-Identifier: Apache-2.0
// What a traced lookup tells of its queries, alone and in a network of real nodes.
#include "dht/lookup_trace.hpp"

#include <algorithm>
#include <set>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/support/dht_network.hpp"

using namespace lodestone;
using namespace std::chrono_literals;
using dht::event::Hop;
using dht::event::LookupDone;
using test::DhtNetwork;

namespace {

wire::Endpoint at(std::uint8_t n) { return {wire::Address::v4(11, 0, n, 1), 6881}; }
wire::NodeId id(std::uint8_t n) {
  wire::NodeId id;
  id.bytes()[0] = n;
  return id;
}
dht::Ask ask(std::uint8_t n, bool known = true) {
  dht::Ask a;
  a.to = at(n);
  a.tag = n;
  if (known) a.expected = id(n);
  return a;
}

std::vector<Hop> hops_of(const std::vector<dht::Event>& events) {
  std::vector<Hop> found;
  for (const auto& e : events)
    if (const auto* hop = std::get_if<Hop>(&e)) found.push_back(*hop);
  return found;
}

struct Answered {
  explicit Answered(std::uint8_t n, std::size_t nodes = 0, std::string_view values = {}) : from{id(n), at(n)} {
    raw.resize(nodes * 26 + 3);  // a ragged tail
    reply.nodes = raw;
    if (!values.empty()) {
      const auto view = document.parse(wire::as_bytes(values));
      REQUIRE(view);
      reply.values = *view;
    }
  }
  [[nodiscard]] dht::Answer answer() const { return {from, 30ms, reply, own}; }

  dht::Contact from;
  wire::ByteVector raw;
  wire::bencode::Document document;
  dht::krpc::Reply reply;
  dht::OwnAddress own;
};

/// A network of `nodes`, all of which know each other well, and one more that is about to ask.
struct Crowd {
  explicit Crowd(std::size_t nodes) {
    for (std::size_t i = 0; i < nodes; ++i) {
      net.add();
      if (i > 0) net.introduce(i, 0);
    }
    net.run_for(2min);
    asker = net.add();
  }
  /// Runs until the lookup that `start` begins is over.
  template <class Start>
  dht::LookupStats run(Start&& start) {
    net.introduce(asker, 0);
    net.call(asker, start);
    REQUIRE(net.run_until(1min, [&] { return net.host(asker).count<LookupDone>() == 1; }));
    return net.host(asker).all<LookupDone>()[0].stats;
  }

  DhtNetwork net{7};
  std::size_t asker = 0;
};

}  // namespace

TEST_CASE("a trace tells who brought a node, when it was asked and what it said") {
  const wire::Instant now{1h};
  dht::LookupTrace trace{5};
  dht::Output out;
  trace.known(at(1), Hop::Source::table);
  trace.known(at(2), Hop::Source::introducer);
  trace.known(at(3), Hop::Source::node, at(1));
  trace.known(at(3), Hop::Source::node, at(2));  // the first account counts
  trace.asked(now, ask(1));
  trace.asked(now + 1s, ask(2, false));
  trace.asked(now + 2s, ask(3));
  CHECK(out.events.empty());
  const Answered said(2, 4, "l6:aaaaaa6:bbbbbb5:ccccci7ee");
  trace.answered(2, said.answer(), wire::Family::v4, out);
  trace.refused(now + 2500ms, 3, out);
  trace.lost(1, out);
  const auto hops = hops_of(out.events);
  REQUIRE(hops.size() == 3);
  CHECK(std::all_of(hops.begin(), hops.end(), [](const Hop& h) { return h.lookup == 5; }));
  CHECK(hops[0].to == at(2));
  CHECK(hops[0].id == id(2));
  CHECK(hops[0].source == Hop::Source::introducer);
  CHECK(hops[0].outcome == Hop::Outcome::answered);
  CHECK(hops[0].sent == 1s);
  CHECK(hops[0].rtt == wire::Duration{30ms});
  CHECK(hops[0].named == 4);
  CHECK(hops[0].values == 2);
  CHECK(hops[1].id == id(3));
  CHECK(hops[1].source == Hop::Source::node);
  CHECK(hops[1].named_by == at(1));
  CHECK(hops[1].outcome == Hop::Outcome::refused);
  CHECK(hops[1].rtt == wire::Duration{500ms});
  CHECK(hops[2].source == Hop::Source::table);
  CHECK(hops[2].outcome == Hop::Outcome::silent);
  CHECK_FALSE(hops[2].rtt);
}

TEST_CASE("a trace has one hop for each query, whatever comes later") {
  const wire::Instant now{1h};
  dht::LookupTrace trace{5};
  dht::Output out;
  trace.asked(now, ask(1));
  trace.asked(now, ask(2, false));
  trace.end(out);
  const auto hops = hops_of(out.events);
  REQUIRE(hops.size() == 2);
  CHECK(hops[0].outcome == Hop::Outcome::silent);
  CHECK_FALSE(hops[1].id);
  const Answered said(1);
  trace.answered(1, said.answer(), wire::Family::v4, out);
  trace.refused(now, 2, out);
  trace.lost(2, out);
  trace.end(out);
  CHECK(out.events.size() == 2);
}

TEST_CASE("L7 a traced lookup has a hop for each of its queries and takes the way of one that is not") {
  const auto hash = wire::Rng::from_number(3).id<wire::InfoHash>();
  constexpr std::size_t kAway = 3;
  const auto run = [&](bool traced, std::vector<Hop>& hops) {
    Crowd crowd(30);
    // Some of the closest have just left: they are still named.
    std::vector<std::size_t> by_distance;
    for (std::size_t i = 1; i < crowd.asker; ++i) by_distance.push_back(i);
    std::sort(by_distance.begin(), by_distance.end(), [&](std::size_t a, std::size_t b) {
      return wire::closer(hash, crowd.net.node(a).id(), crowd.net.node(b).id());
    });
    for (std::size_t i = 1; i <= kAway; ++i) crowd.net.host(by_distance[i]).up = false;
    const auto stats = crowd.run([&](dht::Node& n, dht::Output& out) {
      return traced ? n.trace(crowd.net.now(), hash, out) : n.get_peers(crowd.net.now(), hash, std::nullopt, out);
    });
    const auto& events = crowd.net.host(crowd.asker).events;
    const auto end = std::find_if(events.begin(), events.end(),
                                  [](const dht::Event& e) { return std::holds_alternative<LookupDone>(e); });
    hops = hops_of({events.begin(), end});
    // Those who are away are given up after the end: nothing more is said of them.
    crowd.net.run_for(30s);
    CHECK(crowd.net.host(crowd.asker).count<Hop>() == hops.size());
    return stats;
  };
  std::vector<Hop> hops, none;
  const dht::LookupStats traced = run(true, hops), plain = run(false, none);
  CHECK(none.empty());
  CHECK(traced.asked == plain.asked);
  CHECK(traced.answered == plain.answered);
  CHECK(traced.duration == plain.duration);
  REQUIRE(traced.closest.size() == plain.closest.size());
  for (std::size_t i = 0; i < traced.closest.size(); ++i) CHECK(traced.closest[i].id == plain.closest[i].id);

  REQUIRE(hops.size() == traced.asked);
  std::set<wire::Endpoint> asked, answered;
  std::size_t silent = 0;
  for (const Hop& hop : hops) {
    CHECK(asked.insert(hop.to).second);
    if (hop.source == Hop::Source::node) CHECK(answered.contains(hop.named_by));
    if (hop.outcome == Hop::Outcome::answered) {
      answered.insert(hop.to);
      CHECK(hop.rtt == wire::Duration{40ms});
      CHECK(hop.named > 0);
    } else {
      CHECK(hop.outcome == Hop::Outcome::silent);
      ++silent;
    }
  }
  CHECK(answered.size() == traced.answered);
  CHECK(silent == kAway);
  CHECK(hops.front().sent == 0s);
  CHECK(hops.front().source != Hop::Source::node);
}
