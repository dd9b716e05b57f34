// SPDX-License-Identifier: Apache-2.0
// Whole nodes against each other: joining, announcing, finding, restarting.
#include <algorithm>
#include <set>

#include <catch2/catch.hpp>

#include "dht/node.hpp"
#include "tests/support/dht_network.hpp"

using namespace lodestone;
using namespace lodestone::test;
using dht::event::AnnounceDone;
using dht::event::Bootstrapped;
using dht::event::FirstContact;
using dht::event::LookupDone;
using dht::event::PeersFound;

namespace {

/// `n` hosts that know host 0 and nobody else, started together.
void join_all(DhtNetwork& net, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) net.add();
  for (std::size_t i = 1; i < n; ++i) net.introduce(i, 0);
}

std::vector<wire::Endpoint> peers_found(const DhtHost& host) {
  std::vector<wire::Endpoint> out;
  for (const auto& e : host.all<PeersFound>()) out.insert(out.end(), e.peers.begin(), e.peers.end());
  return out;
}

dht::LookupId find_peers(DhtNetwork& net, std::size_t i, const wire::InfoHash& hash,
                         std::optional<dht::AnnounceSpec> announce = std::nullopt) {
  return net.call(i, [&](dht::Node& n, dht::Output& out) { return n.get_peers(net.now(), hash, announce, out); });
}

dht::LookupId keep(DhtNetwork& net, std::size_t i, const wire::InfoHash& hash, std::uint16_t port) {
  return net.call(
      i, [&](dht::Node& n, dht::Output& out) { return n.keep_announced(net.now(), hash, {port, false}, out); });
}

}  // namespace

TEST_CASE("T9 nodes that know one introducer find each other in networks of any size") {
  const std::size_t n = GENERATE(2u, 3u, 5u, 30u);
  const wire::Family family = GENERATE(wire::Family::v4, wire::Family::v6);
  DhtNetwork net{n, family};
  join_all(net, n);
  net.run_for(15s);
  for (std::size_t i = 0; i < n; ++i) {
    INFO("host " << i << " of " << n);
    CHECK(net.node(i).table_size() >= std::min<std::size_t>(n - 1, 8));
    CHECK(net.host(i).count<FirstContact>() == 1);
    CHECK(net.host(i).count<Bootstrapped>() == 1);
    net.node(i).check_invariants();
  }
}

TEST_CASE("T9 a join begins within a few seconds of an introducer that comes up late, and never gives up") {
  DhtNetwork net;
  join_all(net, 2);
  net.host(0).up = false;
  const wire::Duration late = GENERATE(7s, 30min, 26h);
  net.run_for(late);
  CHECK_FALSE(net.node(1).ever_answered());
  net.host(0).up = true;
  const auto sent_before = net.host(1).sent;
  const wire::Duration patience = late < 1min ? wire::Duration{20s} : wire::Duration{10min};
  REQUIRE(net.run_until(patience, [&] { return net.node(1).table_size() == 1 && net.node(0).table_size() == 1; }));
  CHECK(sent_before < 60 + static_cast<std::uint64_t>(late / 1min));
}

TEST_CASE("an announced peer is found by everybody") {
  const std::size_t n = GENERATE(2u, 3u, 5u, 30u);
  const wire::Family family = GENERATE(wire::Family::v4, wire::Family::v6);
  DhtNetwork net{n + 100, family};
  join_all(net, n);
  net.run_for(10s);
  const auto hash = net.rng().id<wire::InfoHash>();
  find_peers(net, 1, hash, dht::AnnounceSpec{7000, false});
  net.run_for(5s);
  const auto done = net.host(1).all<AnnounceDone>();
  REQUIRE(done.size() == 1);
  CHECK(done[0].stored.size() == std::min<std::size_t>(n - 1, 8));
  CHECK(done[0].refused == 0);
  for (std::size_t i = 0; i < n; ++i) {
    if (i == 1) continue;
    net.host(i).events.clear();
    find_peers(net, i, hash);
    net.run_for(5s);
    INFO("host " << i << " of " << n);
    CHECK(peers_found(net.host(i)) == std::vector{wire::Endpoint{net.endpoint(1).address, 7000}});
    CHECK(net.host(i).count<LookupDone>() == 1);
  }
}

TEST_CASE("L3 announces to exactly the K closest") {
  DhtNetwork net{7};
  join_all(net, 60);
  net.run_for(30s);
  const auto hash = net.rng().id<wire::InfoHash>();
  find_peers(net, 1, hash, dht::AnnounceSpec{7000, false});
  net.run_for(5s);
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < net.size(); ++i)
    if (i != 1) order.push_back(i);
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return wire::closer(hash, net.node(a).id(), net.node(b).id()); });
  for (std::size_t rank = 0; rank < order.size(); ++rank) {
    INFO("rank " << rank);
    CHECK(net.node(order[rank]).stored_peers(hash) == (rank < 8 ? 1u : 0u));
  }
}

TEST_CASE("L3 a hash kept announced before the DHT is up is announced as soon as the first node answers") {
  DhtNetwork net{8};
  join_all(net, 3);
  const auto hash = net.rng().id<wire::InfoHash>();
  net.add();
  const auto id = keep(net, 3, hash, 7000);
  net.run_for(1min);
  CHECK(net.host(3).events.empty());
  net.introduce(3, 0);
  REQUIRE(net.run_until(2s, [&] { return net.host(3).count<AnnounceDone>() == 1; }));
  CHECK(net.host(3).all<AnnounceDone>()[0].lookup == id);
  CHECK(net.host(3).all<AnnounceDone>()[0].stored.size() >= 1);
}

TEST_CASE("L3 is announced again early, a bounded number of times, when the network grows around it") {
  DhtNetwork net{9};
  join_all(net, 2);
  net.run_for(5s);
  const auto hash = net.rng().id<wire::InfoHash>();
  keep(net, 1, hash, 7000);
  net.run_for(2s);
  CHECK(net.host(1).count<AnnounceDone>() == 1);
  for (int i = 0; i < 20; ++i) net.introduce(net.add(), 0);
  net.run_for(40s);
  const auto rounds = net.host(1).count<AnnounceDone>();
  CHECK(rounds >= 2);
  CHECK(rounds <= 6);
  net.add();
  net.introduce(net.size() - 1, 5);
  net.run_for(3s);
  find_peers(net, net.size() - 1, hash);
  net.run_for(3s);
  CHECK(peers_found(net.host(net.size() - 1)) == std::vector{wire::Endpoint{net.endpoint(1).address, 7000}});
  net.run_for(10min);
  CHECK(net.host(1).count<AnnounceDone>() == rounds);
}

TEST_CASE("L3 in a network of few nodes each newcomer holds what is kept announced within a second or two") {
  DhtNetwork net{23};
  join_all(net, 3);
  net.run_for(10s);
  const auto hash = net.rng().id<wire::InfoHash>();
  keep(net, 1, hash, 7000);
  net.run_for(10s);
  for (int i = 0; i < 4; ++i) {
    const auto newcomer = net.add();
    net.introduce(newcomer, 0);
    REQUIRE(net.run_until(2500ms, [&] { return net.node(newcomer).stored_peers(hash) == 1; }));
  }
  // And then there is peace.
  net.run_for(5s);
  const auto rounds = net.host(1).count<AnnounceDone>();
  CHECK(rounds <= 6);
  net.run_for(10min);
  CHECK(net.host(1).count<AnnounceDone>() == rounds);
}

TEST_CASE("L3 is announced again every 15 to 25 minutes until withdrawn") {
  DhtNetwork net{10};
  join_all(net, 12);
  net.run_for(20s);
  const auto hash = net.rng().id<wire::InfoHash>();
  keep(net, 1, hash, 7000);
  std::vector<wire::Instant> at;
  for (int round = 0; round < 6; ++round) {
    net.host(1).events.clear();
    REQUIRE(net.run_until(26min, [&] { return net.host(1).count<AnnounceDone>() == 1; }));
    CHECK(net.host(1).all<AnnounceDone>()[0].stored.size() == 8);
    at.push_back(net.now());
  }
  std::set<wire::Duration> gaps;
  for (std::size_t i = 1; i < at.size(); ++i) {
    CHECK(at[i] - at[i - 1] >= 15min);
    CHECK(at[i] - at[i - 1] <= 25min + 2s);
    gaps.insert(at[i] - at[i - 1]);
  }
  CHECK(gaps.size() == at.size() - 1);  // jitter
  net.host(1).events.clear();
  net.call(1, [&](dht::Node& n, dht::Output&) { n.withdraw(hash); });
  net.run_for(1h);
  CHECK(net.host(1).count<AnnounceDone>() == 0);
  for (std::size_t i = 0; i < net.size(); ++i) CHECK(net.node(i).stored_peers(hash) == 0);  // S2: expired
}

TEST_CASE("L7 a lookup asks each node once and stops at the closest") {
  DhtNetwork net{11};
  join_all(net, 100);
  net.run_for(1min);
  std::map<wire::Endpoint, int> asked;
  for (int round = 0; round < 10; ++round) {
    asked.clear();
    const auto before = net.node(1).counters().queries_out;
    net.filter = [&](const wire::Endpoint& from, const wire::Endpoint& to, wire::Bytes payload) {
      const std::string_view text = wire::as_text(payload);
      if (from == net.endpoint(1) && text.find("9:get_peers") != std::string_view::npos) ++asked[to];
      return true;
    };
    net.host(1).events.clear();
    find_peers(net, 1, net.rng().id<wire::InfoHash>());
    REQUIRE(net.run_until(5s, [&] { return net.host(1).count<LookupDone>() == 1; }));
    const auto stats = net.host(1).all<LookupDone>()[0].stats;
    // What was asked beyond the k closest may still be on its way at the end.
    const dht::Limits limits = dht::Limits::client();
    CHECK(stats.answered + static_cast<unsigned>(limits.alpha + limits.beta - limits.k) >= stats.asked);
    CHECK(stats.timeouts == 0);
    CHECK(stats.closest.size() == 8);
    CHECK(stats.answered >= 8);
    CHECK(stats.asked <= 24);
    CHECK(net.node(1).counters().queries_out - before >= stats.asked);
    CHECK(asked.size() == stats.asked);
    for (const auto& [to, times] : asked) CHECK(times == 1);
  }
}

TEST_CASE("a restart from a snapshot needs no introducer") {
  DhtNetwork net{12};
  join_all(net, 30);
  net.run_for(1min);
  auto config = net.config();
  config.id = net.node(5).id();
  const dht::Snapshot saved = net.node(5).snapshot(1'700'000'000, net.now());
  REQUIRE(saved.contacts.size() >= 8);
  CHECK(saved.id == config.id);
  net.restart(5, config);
  net.call(5, [&](dht::Node& n, dht::Output& out) { n.restore(net.now(), saved, out); });
  const auto hash = net.rng().id<wire::InfoHash>();
  find_peers(net, 5, hash);
  REQUIRE(net.run_until(1s, [&] { return net.host(5).count<LookupDone>() == 1; }));
  net.run_for(2s);
  CHECK(net.node(5).table_size() * 100 >= saved.contacts.size() * 95);
  CHECK(net.host(5).count<Bootstrapped>() == 1);
}

TEST_CASE("a snapshot says when it was made, how fast its contacts are, and who has failed since it last answered") {
  DhtNetwork net{12};
  join_all(net, 12);
  net.run_for(1min);
  const auto take = [&] { return net.node(5).snapshot(1'700'000'000, net.now()); };
  const dht::Snapshot saved = take();
  CHECK(saved.saved == 1'700'000'000);
  REQUIRE(saved.contacts.size() == 11);
  for (const auto& c : saved.contacts) {
    CHECK(c.rtt == 2 * net.latency);
    CHECK_FALSE(c.failed);
    CHECK(c.last_seen <= saved.saved);
    CHECK(c.last_seen >= saved.saved - 60);
  }
  net.host(3).up = false;
  const wire::Key gone{net.node(3).id().bytes()};
  net.call(5, [&](dht::Node& n, dht::Output& out) { return n.find_node(net.now(), gone, out); });
  std::vector<wire::Endpoint> failed;
  CHECK(net.run_until(30s, [&] {
    for (const auto& c : take().contacts)
      if (c.failed) failed.push_back(c.endpoint);
    return !failed.empty();
  }));
  CHECK(failed == std::vector{net.endpoint(3)});
}

TEST_CASE("T9 saved contacts are not forgotten while nobody answers, and are asked again") {
  DhtNetwork net{20};
  join_all(net, 12);
  net.run_for(30s);
  auto config = net.config();
  config.id = net.node(5).id();
  const dht::Snapshot saved = net.node(5).snapshot(1'700'000'000, net.now());
  REQUIRE(saved.contacts.size() >= 8);
  const auto others = [&](bool up) {
    for (std::size_t i = 0; i < net.size(); ++i)
      if (i != 5) net.host(i).up = up;
  };
  others(false);
  net.restart(5, config);
  net.call(5, [&](dht::Node& n, dht::Output& out) { n.restore(net.now(), saved, out); });
  net.run_for(2min);
  CHECK_FALSE(net.node(5).ever_answered());
  const dht::Snapshot again = net.node(5).snapshot(1'700'000'120, net.now());
  REQUIRE(again.contacts.size() == saved.contacts.size());
  for (const auto& c : again.contacts) CHECK(c.last_seen <= 1'700'000'000);
  others(true);
  CHECK(net.run_until(6min, [&] { return net.node(5).table_size() >= 8; }));
}

TEST_CASE("a lookup that was started before there is any contact runs at the first one") {
  DhtNetwork net{13};
  join_all(net, 5);
  net.run_for(10s);
  const auto hash = net.rng().id<wire::InfoHash>();
  find_peers(net, 1, hash, dht::AnnounceSpec{7000, false});
  net.run_for(2s);
  const auto late = net.add();
  find_peers(net, late, hash);
  net.run_for(1min);
  CHECK(net.host(late).events.empty());
  net.introduce(late, 0);
  REQUIRE(net.run_until(200ms, [&] { return net.host(late).count<PeersFound>() >= 1; }));
  CHECK(net.host(late).count<FirstContact>() == 1);
}

TEST_CASE("a node that was started again under another id is found again quickly") {
  DhtNetwork net{14};
  join_all(net, 4);
  net.run_for(10s);
  net.restart(2, net.config());
  net.introduce(2, 0);
  net.run_for(5s);
  for (const std::size_t i : {0u, 1u, 3u}) {
    const auto found = net.node(i).closest(wire::Key{net.node(2).id().bytes()}, 1);
    REQUIRE(found.size() == 1);
    CHECK(found[0].id == net.node(2).id());
  }
}

TEST_CASE("T3 a node that is gone leaves the tables after two failures") {
  DhtNetwork net{15};
  join_all(net, 6);
  net.run_for(10s);
  for (std::size_t i = 0; i < 5; ++i) CHECK(net.node(i).table_size() == 5);
  net.host(5).up = false;
  net.run_for(20min);
  for (std::size_t i = 0; i < 5; ++i) {
    CHECK(net.node(i).table_size() == 4);
    CHECK(net.node(i).counters().evicted == 1);
  }
}

TEST_CASE("T2 only nodes that answered a query of ours enter the table") {
  DhtNetwork net{16};
  join_all(net, 2);
  net.run_for(5s);
  // Somebody queries from an address at which nobody answers.
  const wire::Endpoint ghost{wire::Address::v4(11, 200, 0, 1), 9000};
  const std::string query = "d1:ad2:id20:" + std::string(20, 'g') + "e1:q4:ping1:t2:aa1:y1:qe";
  net.send_raw(ghost, 0, wire::as_bytes(query));
  net.run_for(1min);
  CHECK(net.node(0).table_size() == 1);
}

TEST_CASE("T7 a read-only node is not stored, answers nobody, and still finds and announces") {
  DhtNetwork net{17};
  join_all(net, 4);
  net.run_for(10s);
  auto config = net.config();
  config.read_only = true;
  const auto ro = net.add(config);
  net.introduce(ro, 0);
  net.run_for(10s);
  CHECK(net.node(ro).table_size() == 4);
  const auto hash = net.rng().id<wire::InfoHash>();
  find_peers(net, ro, hash, dht::AnnounceSpec{7000, false});
  net.run_for(3s);
  REQUIRE(net.host(ro).count<AnnounceDone>() == 1);
  CHECK(net.host(ro).all<AnnounceDone>()[0].stored.size() == 4);
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(net.node(i).table_size() == 3);
    CHECK(net.node(i).counters().timeouts == 0);  // nor pinged
  }
  const auto number =
      net.call(0, [&](dht::Node& n, dht::Output& out) { return n.ping(net.now(), net.endpoint(ro), out); });
  net.run_for(11s);
  const auto done = net.host(0).all<dht::event::QueryDone>();
  REQUIRE(done.size() == 1);
  CHECK(done[0].query == number);
  CHECK_FALSE(done[0].answered);
}

TEST_CASE("in a network of two, either side finds what the other announced") {
  DhtNetwork net{18};
  join_all(net, 2);
  net.run_for(3s);
  const auto hash = net.rng().id<wire::InfoHash>();
  keep(net, 0, hash, 7000);
  net.run_for(2s);
  CHECK(net.node(1).stored_peers(hash) == 1);
  // Node 1 holds the peer itself, and says so at once.
  find_peers(net, 1, hash);
  const auto local = net.host(1).all<PeersFound>();
  REQUIRE(local.size() == 1);
  CHECK(local[0].from == wire::Endpoint{});
  CHECK(local[0].peers == std::vector{wire::Endpoint{net.endpoint(0).address, 7000}});
  net.run_for(2s);
  CHECK(net.host(1).count<PeersFound>() == 1);  // L4: once
  CHECK(net.host(1).count<LookupDone>() == 1);
}

TEST_CASE("L1 in a network of few nodes one that is gone does not hold up the end of a lookup") {
  DhtNetwork net{21};
  join_all(net, 5);
  net.run_for(10s);
  const auto hash = net.rng().id<wire::InfoHash>();
  find_peers(net, 1, hash, dht::AnnounceSpec{7000, false});
  net.run_for(2s);
  net.host(4).up = false;
  net.host(2).events.clear();
  find_peers(net, 2, hash);
  REQUIRE(net.run_until(100ms, [&] { return net.host(2).count<PeersFound>() == 1; }));
  REQUIRE(net.run_until(1200ms, [&] { return net.host(2).count<LookupDone>() == 1; }));
  CHECK(net.host(2).all<LookupDone>()[0].stats.answered == 3);
  net.node(2).check_invariants();
}

TEST_CASE("L2 peers from a node that answers after the end of a lookup are still streamed") {
  DhtNetwork net{22};
  join_all(net, 5);
  net.run_for(10s);
  const auto hash = net.rng().id<wire::InfoHash>();
  // Only the slow one is told of the peer.
  const auto slow = net.endpoint(4);
  net.filter = [&](const wire::Endpoint&, const wire::Endpoint& to, wire::Bytes payload) {
    return to == slow || wire::as_text(payload).find("13:announce_peer") == std::string_view::npos;
  };
  find_peers(net, 1, hash, dht::AnnounceSpec{7000, false});
  net.run_for(5s);
  REQUIRE(net.node(4).stored_peers(hash) == 1);
  struct Late {
    wire::Endpoint from;
    wire::ByteVector payload;
  };
  std::vector<Late> held;
  net.filter = [&](const wire::Endpoint& from, const wire::Endpoint& to, wire::Bytes payload) {
    if (from != slow || to != net.endpoint(2)) return true;
    held.push_back({from, {payload.begin(), payload.end()}});
    return false;
  };
  net.host(2).events.clear();
  const auto id = find_peers(net, 2, hash);
  REQUIRE(net.run_until(4s, [&] { return net.host(2).count<LookupDone>() == 1; }));
  CHECK(net.host(2).count<PeersFound>() == 0);
  net.run_for(1s);
  net.filter = nullptr;
  for (const Late& reply : held) net.send_raw(reply.from, 2, reply.payload);
  net.run_for(100ms);
  REQUIRE(net.host(2).count<PeersFound>() == 1);
  CHECK(net.host(2).all<PeersFound>()[0].lookup == id);
  CHECK(peers_found(net.host(2)) == std::vector{wire::Endpoint{net.endpoint(1).address, 7000}});
  CHECK(net.host(2).count<LookupDone>() == 1);
  net.run_for(11s);
  net.node(2).check_invariants();
}

TEST_CASE("a node knows its endpoint from outside as soon as somebody has answered") {
  const wire::Family family = GENERATE(wire::Family::v4, wire::Family::v6);
  DhtNetwork net{24, family};
  join_all(net, 3);
  CHECK_FALSE(net.node(1).external());
  net.run_for(5s);
  CHECK(net.node(1).external() == net.endpoint(1));
}

TEST_CASE("ping and find_node to one address report what came back") {
  DhtNetwork net{19};
  join_all(net, 3);
  net.run_for(5s);
  const auto a = net.call(1, [&](dht::Node& n, dht::Output& out) { return n.ping(net.now(), net.endpoint(2), out); });
  const auto b = net.call(
      1, [&](dht::Node& n, dht::Output& out) { return n.find_node_at(net.now(), net.endpoint(2), wire::Key{}, out); });
  net.run_for(1s);
  const auto done = net.host(1).all<dht::event::QueryDone>();
  REQUIRE(done.size() == 2);
  CHECK(done[0].query == a);
  CHECK(done[0].answered);
  CHECK(done[0].id == net.node(2).id());
  CHECK(done[0].rtt == 2 * net.latency);
  CHECK(done[0].version == "LD");
  CHECK(done[0].external == net.endpoint(1));
  CHECK(done[1].query == b);
  CHECK(done[1].nodes.size() == 2);
}

TEST_CASE("T5 a node whose cable is out for hours keeps its table, goes on asking, and is back at once") {
  const wire::Family family = GENERATE(wire::Family::v4, wire::Family::v6);
  DhtNetwork net{7, family};
  join_all(net, 30);
  net.run_for(2min);
  const std::size_t before = net.node(5).table_size();
  REQUIRE(before >= 20);
  const auto evicted_before = net.node(5).counters().evicted;
  const wire::Endpoint us = net.host(5).endpoint;
  net.filter = [&](const auto& from, const auto& to, const auto&) { return from != us && to != us; };
  const wire::Duration out = GENERATE(1h, 7h);
  net.run_for(out);
  CHECK(net.node(5).offline());
  CHECK(net.node(5).counters().outages == 1);
  // What failed before it was certain may be gone, no more.
  CHECK(net.node(5).counters().evicted - evicted_before <= 7);
  CHECK(net.node(5).table_size() + 7 >= before);
  net.node(5).check_invariants();
  const auto sent = net.host(5).sent;
  net.run_for(1h);
  CHECK(net.host(5).sent > sent + 60);     // the ladder runs on
  CHECK(net.host(5).sent < sent + 6'000);  // gently
  net.filter = nullptr;
  CHECK(net.run_until(150s, [&] { return !net.node(5).offline(); }));
  const auto hash = net.rng().id<wire::InfoHash>();
  find_peers(net, 5, hash, dht::AnnounceSpec{.port = 4000});
  net.run_for(10s);
  const auto done = net.host(5).all<dht::event::AnnounceDone>();
  REQUIRE(!done.empty());
  CHECK(done.back().stored.size() == 8);
}

TEST_CASE("T5 in a network of two the other one's death is noticed all the same") {
  DhtNetwork net;
  join_all(net, 2);
  net.run_for(30s);
  REQUIRE(net.node(0).table_size() == 1);
  net.host(1).up = false;
  net.run_for(1h);
  CHECK(net.node(0).table_size() == 0);
  CHECK(net.node(0).counters().outages == 0);
}
