// SPDX-License-Identifier: Apache-2.0
// Our nodes among themselves: sisters on the two families (BEP 32), siblings on several addresses (BEP 45).
#include <algorithm>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "dht/krpc.hpp"
#include "dht/node.hpp"
#include "tests/support/dht_network.hpp"

using namespace lodestone;
using namespace lodestone::test;

namespace {

/// Machines on both families that know each other on both, and then one that knows one of them on `known` only.
struct Families {
  DhtNetwork net{3};
  std::size_t first = 0, newcomer = 0;  // v4 hosts; their sisters come after them

  explicit Families(std::size_t n, wire::Family known) {
    for (std::size_t i = 0; i < n; ++i) (void)net.add_dual_stack();
    for (std::size_t i = 1; i < n; ++i) {
      net.introduce(2 * i, 0);
      net.introduce(2 * i + 1, 1);
    }
    net.run_for(30s);
    newcomer = net.add_dual_stack();
    const std::size_t by = known == wire::Family::v4 ? 0 : 1;
    net.introduce(newcomer + by, by);
  }
};

std::vector<dht::Contact> strangers(std::size_t n, std::uint32_t at = 0x0c000001u) {
  auto rng = wire::Rng::from_number(9);
  std::vector<dht::Contact> out;
  for (std::uint32_t i = 0; i < n; ++i)
    out.push_back({rng.id<wire::NodeId>(), {wire::Address::v4(at + (i << 8)), 6881}});
  return out;
}

/// A node with nobody around it, and what it sends.
struct Alone {
  wire::Instant now{1h};
  dht::NodeConfig config;
  std::unique_ptr<dht::Node> node;
  dht::Output out;

  explicit Alone(bool read_only = false) {
    auto rng = wire::Rng::from_number(4);
    config.id = rng.id<wire::NodeId>();
    config.policy.allow(wire::AddressKind::global);
    config.read_only = read_only;
    config.ours = {*wire::Endpoint::parse("8.8.8.8:6881"), *wire::Endpoint::parse("9.9.9.9:6881")};
    node = std::make_unique<dht::Node>(now, config, rng.fork());
  }
  std::uint64_t asked() const { return node->counters().queries_out; }
  void run_for(wire::Duration d) {
    const wire::Instant end = now + d;
    while (node->next_deadline() <= end) {
      now = std::max(now, node->next_deadline());
      node->advance(now, out);
      node->check_invariants();
    }
    now = end;
  }
};

}  // namespace

TEST_CASE("T9 a node without an introducer of its family gets its table through its sister") {
  const wire::Family known = GENERATE(wire::Family::v4, wire::Family::v6);
  Families f{12, known};
  f.net.run_for(10s);
  for (std::size_t i = 0; i < 2; ++i) {
    INFO((i == 0 ? "v4" : "v6"));
    CHECK(f.net.node(f.newcomer + i).table_size() == 12);
    CHECK(f.net.host(f.newcomer + i).count<dht::event::Bootstrapped>() == 1);
    f.net.node(f.newcomer + i).check_invariants();
  }
}

TEST_CASE("T9 without a sister that asks for both families it stays alone") {
  Families f{12, wire::Family::v4};
  f.net.host(f.newcomer).sister.reset();
  f.net.run_for(30s);
  CHECK(f.net.node(f.newcomer).table_size() == 12);
  CHECK(f.net.node(f.newcomer + 1).table_size() == 0);
}

TEST_CASE("L9 a node asks for both families with find_node only, and only while its sister's table is small") {
  DhtNetwork net{5};
  const auto dual = [&net] { return net.add_dual_stack(); };
  for (int i = 0; i < 8; ++i) dual();
  for (std::size_t i = 1; i < 8; ++i) {
    net.introduce(2 * i, 0);
    net.introduce(2 * i + 1, 1);
  }
  net.run_for(30s);
  // The last machine: four contacts are enough for it.
  dht::NodeConfig four = net.config(), six = net.config();
  six.family = wire::Family::v6;
  four.limits.early_contacts = six.limits.early_contacts = 4;
  const std::size_t me = net.add(four), my_sister = net.add(six);
  net.host(me).sister = my_sister;
  net.host(my_sister).sister = me;
  std::uint64_t both = 0, find_node = 0, others_want = 0;
  net.filter = [&](const wire::Endpoint& from, const wire::Endpoint&, wire::Bytes raw) {
    if (from != net.endpoint(me)) return true;
    const std::string_view text = wire::as_text(raw);
    const bool wants = text.find("4:wantl2:n42:n6e") != std::string_view::npos;
    const bool asks_nodes = text.find("1:q9:find_node") != std::string_view::npos;
    find_node += asks_nodes;
    both += asks_nodes && wants;
    others_want += !asks_nodes && wants;
    return true;
  };
  net.introduce(me, 0);
  net.call(me, [&](dht::Node& n, dht::Output& out) {
    return n.get_peers(net.now(), net.rng().id<wire::InfoHash>(), std::nullopt, out);
  });
  net.run_for(20s);
  CHECK(net.node(my_sister).table_size() >= 4);
  CHECK(both > 0);
  CHECK(others_want == 0);
  CHECK_FALSE(net.node(my_sister).wants_contacts(net.now()));
  both = find_node = 0;
  net.run_for(1h);
  CHECK(find_node > 0);
  CHECK(both == 0);
}

TEST_CASE("T2 contacts of our other nodes are asked before they count, a bounded number of them") {
  Alone a;
  const auto offered = strangers(200);
  CHECK(a.node->wants_contacts(a.now));
  // However many come, in however many pieces.
  for (std::size_t at = 0; at < offered.size(); at += 40)
    a.node->offer(a.now, std::span{offered}.subspan(at, 40), a.out);
  CHECK_FALSE(a.node->wants_contacts(a.now));
  CHECK(a.node->table_size() == 0);
  a.run_for(900ms);
  CHECK(a.asked() == 32);
  CHECK(a.out.datagrams.size() == 32);
  CHECK(a.node->table_size() == 0);
  // Nobody answers: two rounds more, and then none for a while.
  for (int i = 0; i < 5; ++i) {
    a.run_for(1s);
    for (std::size_t at = 0; at < offered.size(); at += 40)
      a.node->offer(a.now, std::span{offered}.subspan(at, 40), a.out);
  }
  a.run_for(900ms);
  CHECK(a.asked() == 96);
}

TEST_CASE("T7 a node that only asks takes contacts of its sister until it can look something up") {
  Alone a{true};
  CHECK(a.node->wants_contacts(a.now));
  const auto offered = strangers(20);
  std::vector<dht::KnownContact> known;
  for (std::size_t i = 0; i < 8; ++i) known.push_back({offered[i].id, offered[i].endpoint, {}, {}});
  a.node->offer(a.now, std::span{offered}.subspan(8), a.out);
  a.run_for(900ms);
  CHECK(a.asked() == 12);
  a.node->assume(a.now, known);
  REQUIRE(a.node->table_size() >= 8);
  CHECK_FALSE(a.node->wants_contacts(a.now));
}

TEST_CASE(
    "S5 of what our other nodes offer, and of ourselves on other addresses, nothing is asked that policy forbids") {
  Alone a;
  auto bad = strangers(6);
  bad[0].endpoint = *wire::Endpoint::parse("10.0.0.1:6881");
  bad[1].endpoint = *wire::Endpoint::parse("127.0.0.1:6881");
  bad[2].endpoint = *wire::Endpoint::parse("[2606:4700::1]:6881");
  bad[3].endpoint = *wire::Endpoint::parse("11.0.0.1:0");
  bad[4].endpoint = a.config.ours[1];
  bad[5].id = a.config.id;
  a.node->offer(a.now, bad, a.out);
  a.node->add_introducers(a.now, a.config.ours, a.out);
  a.run_for(10s);
  CHECK(a.asked() == 0);
  CHECK(a.out.datagrams.empty());
}

TEST_CASE("T4 our node on another address is not answered, and does not get into the table") {
  Alone a;
  const std::string query = "d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe";
  a.node->receive(a.now, a.config.ours[1], wire::as_bytes(query), a.out);
  CHECK(a.out.datagrams.empty());
  CHECK(a.node->counters().refused_source == 1);
  a.node->receive(a.now, {a.config.ours[1].address, 6882}, wire::as_bytes(query), a.out);
  CHECK_FALSE(a.out.datagrams.empty());  // anybody else there is welcome
}

TEST_CASE("L9 nodes of the other family that nobody has asked for are not taken") {
  DhtNetwork net{6};
  (void)net.add();
  (void)net.add();
  // Whatever host 1 asks, host 0 names a node of the other family, too.
  std::uint64_t named = 0;
  net.filter = [&](const wire::Endpoint& from, const wire::Endpoint& to, wire::Bytes raw) {
    if (from != net.endpoint(0) || to != net.endpoint(1)) return true;
    dht::Output out;
    dht::krpc::Decoder decoder;
    const auto message = decoder.decode(raw);
    const auto* reply = message ? std::get_if<dht::krpc::Reply>(&message->body) : nullptr;
    if (reply == nullptr || reply->nodes.empty()) return true;
    const auto transaction = std::string{wire::as_text(message->transaction)};
    const std::string forged = "d1:rd2:id20:" + std::string{wire::as_text(reply->id.view())} +
                               "6:nodes638:" + std::string(38, 'n') + "e1:t4:" + transaction + "1:y1:re";
    net.node(1).receive(net.now(), from, wire::as_bytes(forged), out);
    CHECK(out.other_family.empty());
    ++named;
    return false;
  };
  net.introduce(1, 0);
  net.run_for(10s);
  CHECK(named > 0);
}

TEST_CASE("S7 a seed says that it is one, and asks for peers that are none") {
  DhtNetwork net{7};
  for (int i = 0; i < 30; ++i) (void)net.add();
  for (std::size_t i = 1; i < 30; ++i) net.introduce(i, 0);
  net.run_for(30s);
  const auto hash = net.rng().id<wire::InfoHash>();
  const auto keep = [&](std::size_t i, bool seed) {
    return net.call(i, [&](dht::Node& n, dht::Output& out) {
      return n.keep_announced(net.now(), hash, {.port = 7'000, .implied_port = false, .seed = seed}, out);
    });
  };
  const auto peers_of = [&](std::size_t i) {
    std::vector<wire::Endpoint> peers;
    for (const auto& found : net.host(i).all<dht::event::PeersFound>())
      peers.insert(peers.end(), found.peers.begin(), found.peers.end());
    std::sort(peers.begin(), peers.end());
    peers.erase(std::unique(peers.begin(), peers.end()), peers.end());
    return peers;
  };
  const auto scrape = [&] {
    net.host(20).events.clear();
    net.call(20, [&](dht::Node& n, dht::Output& out) { return n.scrape(net.now(), hash, out); });
    net.run_for(5s);
    return net.host(20).all<dht::event::ScrapeDone>().at(0);
  };
  // Two of three download.
  (void)keep(1, true);
  const dht::LookupId second = keep(2, false);
  (void)keep(3, false);
  net.run_for(5s);
  CHECK(scrape().seeds == Approx(1).margin(0.2));
  CHECK(scrape().peers == Approx(2).margin(0.3));

  // One has got it now: the same announcement goes on, and says so at once.
  std::uint64_t asked = 0, noseed = 0;
  net.filter = [&](const wire::Endpoint& from, const wire::Endpoint&, wire::Bytes raw) {
    const std::string_view text = wire::as_text(raw);
    if (from != net.endpoint(2) || text.find("1:q9:get_peers") == std::string_view::npos) return true;
    ++asked;
    noseed += text.find("6:noseedi1e") != std::string_view::npos;
    return true;
  };
  net.host(2).events.clear();
  CHECK(keep(2, true) == second);
  net.run_for(5s);
  CHECK(asked > 0);
  CHECK(noseed == asked);
  CHECK(scrape().seeds == Approx(2).margin(0.3));
  // So the lookup of its round has found the one that is no seed. Another of its lookups does the same.
  const std::vector<wire::Endpoint> leecher{{net.endpoint(3).address, 7'000}};
  CHECK(peers_of(2) == leecher);
  net.host(2).events.clear();
  net.call(2, [&](dht::Node& n, dht::Output& out) { return n.get_peers(net.now(), hash, std::nullopt, out); });
  net.run_for(5s);
  CHECK(noseed == asked);
  // Whoever downloads is shown everybody else.
  net.host(3).events.clear();
  net.call(3, [&](dht::Node& n, dht::Output& out) { return n.get_peers(net.now(), hash, std::nullopt, out); });
  net.run_for(5s);
  CHECK(peers_of(3).size() >= 2);
}
