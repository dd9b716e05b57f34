// SPDX-License-Identifier: Apache-2.0
// Whom a torrent dials, admits, serves, tells of others and lets go.
#include <catch2/catch.hpp>

#include "magnet/swarm/choker.hpp"
#include "magnet/swarm/fast_grant.hpp"
#include "magnet/swarm/peer_pool.hpp"
#include "magnet/swarm/pex.hpp"
#include "tests/support/fake_wire.hpp"

namespace lodestone::magnet {
namespace {

using namespace std::chrono_literals;
using test::FakeWire;
using test::make_sample;

wire::Endpoint ep(std::uint8_t a, std::uint8_t b, std::uint16_t port = 6881) {
  return {wire::Address::v4(10, 9, a, b), port};
}

std::size_t unchoked(const FakeWire::Node& node, wire::Instant now) {
  const auto peers = node.torrent.peers(now);
  return static_cast<std::size_t>(
      std::count_if(peers.begin(), peers.end(), [](const PeerInfo& p) { return !p.we_choke; }));
}

TEST_CASE("W9 dials: at most 30 half-open, 30 a second, and refused ones are tried again later and later") {
  const auto sample = make_sample({{"a", 100'000}}, 64 << 10);
  FakeWire net;
  net.link.latency = 2s;  // a dial takes four seconds
  auto& get = net.add(sample);
  std::vector<wire::Endpoint> all;
  for (int i = 0; i < 200; ++i) all.push_back(ep(1, static_cast<std::uint8_t>(i + 1)));
  net.tell(get, all, PeerSource::dht);
  CHECK(get.dials.size() == 30);
  CHECK(get.status().half_open == 30);
  net.run_for(3s);
  CHECK(get.dials.size() == 30);
  net.run_for(40s);
  CHECK(get.status().dial_refused >= 200);

  net.run_for(1h);
  std::map<wire::Endpoint, int> times;
  for (const auto& e : get.dials) ++times[e];
  CHECK(times.size() == 200);
  for (const auto& [endpoint, n] : times) {
    // 4 s doubled up to 15 min: some ten dials in the first hour, and it never stops.
    CHECK(n >= 8);
    CHECK(n <= 14);
  }
  CHECK(get.status().stall == StallReason::peers_unreachable);
}

TEST_CASE("W9 both ends dial each other: one link stays") {
  const auto sample = make_sample({{"a", 4'000'000}}, 64 << 10);
  FakeWire net(GENERATE(1u, 2u, 3u));
  auto& a = net.add_seed(sample);
  auto& b = net.add(sample);
  a.torrent.on_peers_found(net.now, std::array{b.endpoint}, PeerSource::dht, a.actions);
  b.torrent.on_peers_found(net.now, std::array{a.endpoint}, PeerSource::dht, b.actions);
  REQUIRE(net.run_until([&] { return b.finished; }, 60s));
  CHECK(net.live_links(a) == 1);
  CHECK(net.live_links(b) == 1);
  CHECK((b.single() == sample.stream));
}

TEST_CASE("W9 a seed that was lost is dialled again soon") {
  const auto sample = make_sample({{"a", 4'000'000}}, 64 << 10);
  FakeWire net;
  net.link.rate = 1e6;
  auto& seed = net.add_seed(sample);
  auto& get = net.add(sample);
  net.introduce(get, seed);
  net.run_for(1s);
  REQUIRE(get.torrent.peers(net.now).size() == 1);
  // The seed's end closes the link; it keeps listening.
  seed.actions.push_back(action::Close{seed.torrent.peers(net.now).at(0).link, CloseReason::too_many});
  net.run_for(100ms);
  CHECK(get.torrent.peers(net.now).empty());
  REQUIRE(net.run_until([&] { return get.finished; }, 20s));
  CHECK(get.dials.size() == 2);
}

TEST_CASE("W12 max_peers holds for both directions; an address gets three links outside private nets") {
  const auto sample = make_sample({{"a", 100'000}}, 64 << 10);
  FakeWire net;
  auto spec = FakeWire::node_spec();
  spec.config.max_peers = 4;
  auto& seed = net.add_seed(sample, spec);
  net.link.rate = 1'000;  // nobody is finished in this test
  for (int i = 0; i < 8; ++i) net.introduce(net.add(sample), seed);
  net.run_for(1s);
  CHECK(net.live_links(seed) == 4);
  CHECK_FALSE(seed.torrent.wants_link(ep(3, 1)));

  auto strict = FakeWire::node_spec();
  strict.config.private_net = false;
  auto& public_node = net.add(sample, strict);
  net.tell(public_node, {ep(7, 7, 1), ep(7, 7, 2), ep(7, 7, 3), ep(7, 7, 4), ep(7, 7, 5)}, PeerSource::dht);
  CHECK(public_node.dials.size() == PeerPool::kPerAddress);
  CHECK_FALSE(public_node.torrent.wants_link(ep(7, 7, 9)));
  CHECK(public_node.torrent.wants_link(ep(7, 8, 9)));
}

TEST_CASE("W8 as many as there are slots are unchoked, one of them by lot and in turns") {
  const auto sample = make_sample({{"a", 40'000'000}}, 1 << 20);
  FakeWire net;
  net.check_invariants = false;
  net.link.rate = 50'000;
  auto spec = FakeWire::node_spec();
  spec.config.upload_slots = 3;
  auto& seed = net.add_seed(sample, spec);
  std::vector<FakeWire::Node*> all;
  auto leech = FakeWire::node_spec();
  leech.config.pex = false;  // they shall not help each other
  for (int i = 0; i < 8; ++i) {
    all.push_back(&net.add(sample, leech));
    net.introduce(*all.back(), seed);
  }
  std::map<LinkKey, int> had_slot;
  for (int round = 0; round < 40; ++round) {
    net.run_for(10s);
    CHECK(unchoked(seed, net.now) == 3);
    for (const PeerInfo& p : seed.torrent.peers(net.now)) had_slot[p.link] += !p.we_choke;
  }
  CHECK(had_slot.size() == 8);
  for (const auto& [link, rounds] : had_slot) CHECK(rounds > 0);
}

TEST_CASE("W8 a slot is given at once when one is free") {
  const auto sample = make_sample({{"a", 1'000'000}}, 64 << 10);
  FakeWire net;
  auto& seed = net.add_seed(sample);
  auto& get = net.add(sample);
  net.run_for(3s);
  net.introduce(get, seed);
  const auto begin = net.now;
  REQUIRE(net.run_until([&] { return get.finished; }, 60s));
  CHECK(net.now - begin < 1s);
}

TEST_CASE("W12 a choked newcomer gets its allowed-fast pieces") {
  const auto sample = make_sample({{"a", 4'000'000}}, 64 << 10);
  FakeWire net;
  auto spec = FakeWire::node_spec();
  spec.config.upload_slots = 0;
  auto& seed = net.add_seed(sample, spec);
  auto& get = net.add(sample);
  net.introduce(get, seed);
  net.run_for(30s);
  CHECK(get.status().verified_pieces == FastGrant::kPieces);
  CHECK(get.torrent.peers(net.now).at(0).choking_us);
  CHECK(get.status().stall == StallReason::all_choke);
}

TEST_CASE("W10 peers hear of each other through the one they know") {
  const auto sample = make_sample({{"a", 1'000'000}}, 64 << 10);
  FakeWire net;
  auto keep = FakeWire::node_spec();
  keep.config.seed_after = true;
  auto& middle = net.add(sample, keep);
  auto& left = net.add(sample, keep);
  auto& right = net.add(sample, keep);
  net.introduce(left, middle);
  net.introduce(right, middle);
  net.run_for(70s);
  CHECK(left.pexes > 0);
  CHECK(left.status().connected == 2);
  CHECK(right.status().connected == 2);
  CHECK(left.status().seen_by_source[static_cast<std::size_t>(PeerSource::pex)] +
            right.status().seen_by_source[static_cast<std::size_t>(PeerSource::pex)] >=
        1);

  auto deaf = FakeWire::node_spec();
  deaf.config.pex = false;
  auto& off = net.add(sample, deaf);
  net.introduce(off, middle);
  net.run_for(70s);
  CHECK(off.pexes == 0);
  CHECK(off.status().seen_by_source[static_cast<std::size_t>(PeerSource::pex)] == 0);
}

TEST_CASE("seeds let go of seeds") {
  const auto sample = make_sample({{"a", 1'000'000}}, 64 << 10);
  FakeWire net;
  auto& one = net.add_seed(sample);
  auto& two = net.add_seed(sample);
  net.introduce(one, two);
  net.run_for(5s);
  CHECK(net.live_links(one) == 0);
  CHECK(one.dials.size() == 1);
}

TEST_CASE("W12 what a peer asks beyond our reqq is rejected, and everything asked is answered") {
  const auto sample = make_sample({{"a", 4'000'000}}, 64 << 10);
  FakeWire net;
  auto spec = FakeWire::node_spec();
  spec.config.request_queue = 8;
  // The leecher is not told, so it asks for more.
  spec.tamper_extensions = [](wire::ExtensionHandshake& e) { e.request_queue = 500; };
  spec.tamper = [](Action& a) {
    if (auto* send = std::get_if<action::Send>(&a))
      if (auto* e = std::get_if<wire::peer_message::Extensions>(&send->message)) e->handshake.request_queue = 500;
    return true;
  };
  auto& seed = net.add_seed(sample, spec);
  net.link.rate = 200'000;
  auto& get = net.add(sample);
  net.introduce(get, seed);
  REQUIRE(net.run_until([&] { return get.finished; }, 5min));
  CHECK(get.rejects > 0);
  CHECK((get.single() == sample.stream));
}

TEST_CASE("each stall has its reason") {
  const auto sample = make_sample({{"a", 2'000'000}}, 64 << 10);
  FakeWire net;
  auto& get = net.add(sample);
  CHECK(get.status().stall == StallReason::none);
  net.run_for(16s);
  CHECK(get.status().stall == StallReason::nobody_stores_hash);
  CHECK(get.wants >= 2);

  auto& ignorant = net.add(sample);
  net.introduce(get, ignorant);
  net.run_for(16s);
  CHECK(get.status().stall == StallReason::no_metadata);

  auto half = FakeWire::node_spec();
  half.knows_info = true;
  half.config.seed_after = true;
  half.disk = std::make_shared<storage::MemoryDisk>();
  half.disk->put("root/sample", wire::Bytes(sample.stream).subspan(0, 1'000'000));
  auto& has_half = net.add(sample, half);
  net.introduce(get, has_half);
  net.run_for(40s);
  CHECK(get.status().bytes_done == 15 * (64 << 10));
  CHECK(get.status().stall == StallReason::missing_pieces);

  auto& seed = net.add_seed(sample);
  net.introduce(get, seed);
  REQUIRE(net.run_until([&] { return get.finished; }, 10s));
  CHECK(get.status().stall == StallReason::none);
}

}  // namespace
}  // namespace lodestone::magnet
