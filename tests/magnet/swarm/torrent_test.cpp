// SPDX-License-Identifier: Apache-2.0
#include "magnet/swarm/torrent.hpp"

#include <catch2/catch.hpp>

#include "tests/support/fake_wire.hpp"

namespace lodestone::magnet {
namespace {

using namespace std::chrono_literals;
using test::FakeWire;
using test::make_sample;

FakeWire::NodeSpec with_info() {
  auto spec = FakeWire::node_spec();
  spec.knows_info = true;
  return spec;
}

double seconds(const FakeWire::Node& node) { return wire::to_seconds(*node.finished_at - wire::Instant(1h)); }

TEST_CASE("a magnet becomes a file: metadata and data from one seed") {
  const auto sample = make_sample({{"a", 3'000'000}}, 64 << 10);
  FakeWire net;
  auto& seed = net.add_seed(sample);
  auto& get = net.add(sample);
  CHECK(get.status().phase == Phase::metadata);
  CHECK(get.wants == 1);
  CHECK_FALSE(get.status().complete);
  net.introduce(get, seed);
  REQUIRE(net.run_until([&] { return get.finished; }, 60s));
  CHECK((get.single() == sample.stream));
  const TorrentStatus s = get.status();
  CHECK(s.complete);
  CHECK(s.phase == Phase::seeding);
  CHECK(s.bytes_done == 3'000'000);
  CHECK(s.bytes_total == 3'000'000);
  CHECK(s.downloaded == 3'000'000);
  CHECK(s.wasted == 0);
  CHECK(s.verified_pieces == sample.info->piece_count());
  CHECK(s.seen_by_source[static_cast<std::size_t>(PeerSource::dht)] == 1);
  CHECK(seed.status().uploaded == 3'000'000);
}

TEST_CASE("three seeds share the work") {
  const auto sample = make_sample({{"a", 12'000'000}}, 256 << 10);
  FakeWire net;
  net.link.rate = 2e6;
  std::vector<FakeWire::Node*> seeds;
  for (int i = 0; i < 3; ++i) seeds.push_back(&net.add_seed(sample));
  auto& get = net.add(sample);
  for (auto* s : seeds) net.introduce(get, *s);
  REQUIRE(net.run_until([&] { return get.finished; }, 60s));
  CHECK((get.single() == sample.stream));
  for (auto* s : seeds) CHECK(s->status().uploaded > 3'000'000);
  CHECK(get.status().wasted < 200'000);
  // 12 MB over three links of 2 MB/s, a second and a half for everything else.
  CHECK(seconds(get) < 3.5);
}

TEST_CASE("a swarm of leechers lives on one slow seed") {
  const auto sample = make_sample({{"a", 4'000'000}}, 64 << 10);
  FakeWire net;
  auto spec = FakeWire::node_spec();
  spec.config.seed_after = true;
  net.link.rate = 1e6;
  auto& seed = net.add_seed(sample);
  std::vector<FakeWire::Node*> all;
  for (int i = 0; i < 6; ++i) all.push_back(&net.add(sample, spec));
  for (auto* node : all) {
    net.introduce(*node, seed);
    for (auto* other : all)
      if (other != node) net.introduce(*node, *other);
  }
  REQUIRE(
      net.run_until([&] { return std::all_of(all.begin(), all.end(), [](auto* n) { return n->finished; }); }, 5min));
  std::uint64_t among_themselves = 0;
  for (auto* node : all) {
    CHECK((node->single() == sample.stream));
    among_themselves += node->status().uploaded;
  }
  CHECK(among_themselves > 4'000'000);
}

TEST_CASE("several files, selection: only what is wanted is fetched") {
  const auto sample = make_sample({{"a", 300'000}, {"b", 700'000}, {"c", 0}, {"d", 500'000}}, 32 << 10);
  FakeWire net;
  auto& seed = net.add_seed(sample);
  auto spec = FakeWire::node_spec();
  spec.wanted = [](const Info& info) {
    std::vector<bool> w(info.files.size(), false);
    for (std::size_t i = 0; i < w.size(); ++i)
      w[i] = info.files[i].path.back() == "b" || info.files[i].path.back() == "c";
    return w;
  };
  auto& get = net.add(sample, spec);
  net.introduce(get, seed);
  REQUIRE(net.run_until([&] { return get.finished; }, 60s));
  CHECK(get.file("b") == wire::ByteVector(sample.stream.begin() + 300'000, sample.stream.begin() + 1'000'000));
  CHECK(get.file("c") == wire::ByteVector{});
  CHECK_FALSE(get.file("a").has_value());
  CHECK_FALSE(get.file("d").has_value());
  CHECK(get.status().bytes_total == 700'000);
  CHECK(get.status().bytes_done == 700'000);
  CHECK(get.status().downloaded <= 700'000 + 2 * (32 << 10));
}

TEST_CASE("nothing wanted is finished at once") {
  const auto sample = make_sample({{"a", 300'000}, {"b", 1}}, 32 << 10);
  FakeWire net;
  auto spec = with_info();
  spec.wanted = [](const Info& info) { return std::vector<bool>(info.files.size(), false); };
  auto& get = net.add(sample, spec);
  REQUIRE(net.run_until([&] { return get.finished; }, 1s));
  CHECK(get.status().bytes_total == 0);
}

TEST_CASE("sequential: pieces are stored in order") {
  const auto sample = make_sample({{"a", 2'000'000}}, 64 << 10);
  FakeWire net;
  auto& seed = net.add_seed(sample);
  auto spec = FakeWire::node_spec();
  spec.config.sequential = true;
  auto& get = net.add(sample, spec);
  net.introduce(get, seed);
  REQUIRE(net.run_until([&] { return get.finished; }, 60s));
  CHECK(std::is_sorted(get.stored.begin(), get.stored.end()));
}

TEST_CASE("a torrent of zero bytes") {
  const auto sample = make_sample({{"a", 0}}, 64 << 10);
  FakeWire net;
  auto& seed = net.add_seed(sample);
  auto& get = net.add(sample);
  net.introduce(get, seed);
  REQUIRE(net.run_until([&] { return get.finished; }, 10s));
  CHECK(get.single() == wire::ByteVector{});
  CHECK(get.status().phase == Phase::seeding);
}

TEST_CASE("pieces longer than memory allows go through the scratch file") {
  const auto sample = make_sample({{"a", 21'000'000}}, 8 << 20);
  FakeWire net;
  auto& seed = net.add_seed(sample);
  auto& get = net.add(sample);
  net.introduce(get, seed);
  REQUIRE(net.run_until([&] { return get.finished; }, 60s));
  CHECK((get.single() == sample.stream));
  CHECK(get.status().downloaded == 21'000'000);
}

TEST_CASE("D4 a killed download of long pieces goes on from its scratch file") {
  const auto sample = make_sample({{"a", 21'000'000}}, 8 << 20);
  FakeWire net;
  net.link.rate = 1e6;
  auto& seed = net.add_seed(sample);
  auto& first = net.add(sample);
  net.introduce(first, seed);
  net.run_for(6s);
  const std::uint64_t before = first.status().downloaded;
  REQUIRE(before > 4'000'000);
  net.kill(first);

  auto spec = with_info();
  spec.disk = first.disk;
  auto& second = net.add(sample, spec);
  net.introduce(second, seed);
  REQUIRE(net.run_until([&] { return second.finished; }, 60s));
  CHECK((second.single() == sample.stream));
  CHECK(second.status().downloaded + before < 21'000'000 + 3'000'000);
}

TEST_CASE("running again resumes: stored pieces are not fetched again") {
  const auto sample = make_sample({{"a", 8'000'000}}, 128 << 10);
  FakeWire net;
  net.link.rate = 1e6;
  auto& seed = net.add_seed(sample);
  auto& first = net.add(sample);
  net.introduce(first, seed);
  net.run_for(4s);
  net.stop(first);
  REQUIRE(net.run_until([&] { return first.status().phase == Phase::stopped; }, 5s));
  const std::uint64_t done = first.status().bytes_done;
  REQUIRE(done > 2'000'000);
  CHECK(net.live_links(first) == 0);

  auto spec = with_info();
  spec.disk = first.disk;
  auto& second = net.add(sample, spec);
  net.run_for(1s);
  CHECK(second.status().bytes_done == done);
  net.introduce(second, seed);
  REQUIRE(net.run_until([&] { return second.finished; }, 60s));
  CHECK((second.single() == sample.stream));
  CHECK(second.status().downloaded == 8'000'000 - done);
}

TEST_CASE("M6 a torrent goes on with the metadata of an earlier run") {
  // More than 16 pieces of metadata: 20,000 files' worth of digests.
  const auto sample = make_sample({{"a", 330'000'000 / 16}}, 1 << 10);
  REQUIRE(sample.torrent.raw_info.size() > 16 * wire::kMetadataPiece);
  FakeWire net;
  net.link.rate = 200'000;
  net.check_invariants = false;
  auto& seed = net.add_seed(sample);
  auto& first = net.add(sample);
  net.introduce(first, seed);
  REQUIRE(net.run_until([&] { return first.status().metadata_done > 5 * wire::kMetadataPiece; }, 60s));
  const auto saved = first.torrent.save_metadata();
  const std::uint64_t had = first.status().metadata_done;
  net.kill(first);

  auto spec = FakeWire::node_spec();
  spec.unfinished_metadata = saved;
  spec.config.metadata_only = true;
  auto& second = net.add(sample, spec);
  CHECK(second.status().metadata_done == had);
  net.introduce(second, seed);
  REQUIRE(net.run_until([&] { return second.info != nullptr; }, 60s));
  CHECK(second.info->piece_count() == sample.info->piece_count());
  CHECK(second.status().phase == Phase::stopped);
}

TEST_CASE("M1 torrents on one budget get their metadata one after the other, a liar's claim in the middle or not") {
  // Info dicts of some 20 KB each; the budget has room for one of them.
  const auto one = make_sample({{"a", 16'000'000}}, 16 << 10, false, 1);
  const auto two = make_sample({{"b", 16'000'000}}, 16 << 10, false, 2);
  MetadataBudget budget(48 << 10);
  FakeWire net;
  net.link.rate = 100'000;
  std::vector<FakeWire::Node*> all;
  std::uint64_t most = 0;
  for (const auto* sample : {&one, &two}) {
    auto& seed = net.add_seed(*sample);
    auto mute = FakeWire::node_spec();  // claims to have it, gives nothing
    mute.knows_info = true;
    mute.config.seed_after = true;
    mute.tamper_extensions = [](wire::ExtensionHandshake& e) { e.metadata_size = 30 << 10; };
    mute.tamper = [](Action& a) {
      auto* send = std::get_if<action::Send>(&a);
      return send == nullptr || !std::holds_alternative<wire::peer_message::Metadata>(send->message);
    };
    auto& liar = net.add(*sample, mute);
    auto spec = FakeWire::node_spec();
    spec.config.metadata_only = true;
    spec.config.metadata_budget = &budget;
    auto& get = net.add(*sample, spec);
    net.introduce(get, liar);
    net.run_for(1s);
    net.introduce(get, seed);
    all.push_back(&get);
  }
  CHECK(net.run_until(
      [&] {
        most = std::max(most, budget.granted());
        return all[0]->info && all[1]->info;
      },
      2min));
  CHECK(most > 0);
  CHECK(most <= budget.largest());
  CHECK(budget.granted() == 0);
}

TEST_CASE("metadata only: nothing is opened") {
  const auto sample = make_sample({{"a", 3'000'000}}, 64 << 10);
  FakeWire net;
  auto& seed = net.add_seed(sample);
  auto spec = FakeWire::node_spec();
  spec.config.metadata_only = true;
  auto& get = net.add(sample, spec);
  net.introduce(get, seed);
  REQUIRE(net.run_until([&] { return get.info != nullptr; }, 10s));
  net.run_for(1s);
  CHECK(get.status().phase == Phase::stopped);
  CHECK(get.store == nullptr);
  CHECK(net.live_links(get) == 0);
}

TEST_CASE("M4 who got the metadata by magnet serves it to others, byte for byte") {
  const auto sample = make_sample({{"a", 3'000'000}}, 64 << 10);
  FakeWire net;
  auto& seed = net.add_seed(sample);
  auto spec = FakeWire::node_spec();
  spec.config.seed_after = true;
  auto& middle = net.add(sample, spec);
  auto& last = net.add(sample);
  net.introduce(last, middle);  // linked before the middle one knows anything
  net.run_for(1s);
  net.introduce(middle, seed);
  REQUIRE(net.run_until([&] { return last.finished; }, 60s));
  CHECK((last.single() == sample.stream));
  CHECK(last.torrent.extensions().metadata_size == sample.torrent.raw_info.size());
}

TEST_CASE("M4 M6 a private torrent: no metadata for others, no exchange of peers") {
  const auto sample = make_sample({{"a", 1'000'000}}, 64 << 10, true);
  FakeWire net;
  auto& seed = net.add_seed(sample);
  CHECK(seed.went_private);
  auto& get = net.add(sample);
  net.introduce(get, seed);
  net.run_for(30s);
  CHECK(get.info == nullptr);
  CHECK_FALSE(seed.torrent.extensions().metadata_size.has_value());
  CHECK(seed.torrent.extensions().ut_metadata == 0);
  CHECK(seed.torrent.extensions().ut_pex == 0);

  // Whoever has the info dict downloads all the same, and hears of no strangers.
  auto& knows = net.add(sample, with_info());
  CHECK(knows.went_private);
  net.introduce(knows, seed, PeerSource::dht);
  net.run_for(5s);
  CHECK(knows.dials.empty());
  net.introduce(knows, seed, PeerSource::magnet);
  REQUIRE(net.run_until([&] { return knows.finished; }, 60s));
}

TEST_CASE("W2 have: what one stores, the other learns at once") {
  const auto sample = make_sample({{"a", 1'000'000}}, 64 << 10);
  FakeWire net;
  auto& seed = net.add_seed(sample);
  auto& a = net.add(sample);
  auto spec = FakeWire::node_spec();
  spec.wanted = [](const Info& info) { return std::vector<bool>(info.files.size(), false); };
  auto& watcher = net.add(sample, spec);
  net.introduce(watcher, a);
  net.introduce(a, seed);
  REQUIRE(net.run_until([&] { return a.finished; }, 60s));
  net.run_for(1s);
  REQUIRE(watcher.torrent.peers(net.now).size() == 1);
  CHECK(watcher.torrent.peers(net.now)[0].progress == 1.0);
  CHECK(watcher.haves > 0);
  CHECK(watcher.status().downloaded == 0);
}

TEST_CASE("D3 syncs are due two seconds after the first unsynced piece, not more often") {
  const auto sample = make_sample({{"a", 8'000'000}}, 64 << 10);
  FakeWire net;
  net.link.rate = 1e6;
  auto& seed = net.add_seed(sample);
  auto& get = net.add(sample);
  net.introduce(get, seed);
  REQUIRE(net.run_until([&] { return get.finished; }, 60s));
  net.run_for(3s);
  CHECK(get.syncs >= 4);
  CHECK(get.syncs <= 6);
}

TEST_CASE("D4 what is received and not stored stays within the limit, and the pipe stays full") {
  const auto sample = make_sample({{"a", 96u << 20}}, 2 << 20);
  FakeWire net;
  net.check_invariants = false;
  net.link.latency = 500us;
  net.link.rate = 350.0 * (1 << 20);
  auto& seed = net.add_seed(sample);
  auto spec = FakeWire::node_spec();
  spec.disk_latency = 5ms;
  auto& get = net.add(sample, spec);
  std::size_t most = 0;
  net.introduce(get, seed);
  REQUIRE(net.run_until(
      [&] {
        most = std::max(most, get.pool.in_use() * wire::kBlockSize);
        return get.finished;
      },
      20s));
  CHECK(most <= storage::kUnstoredLimit + (1u << 20));  // what the connection holds out for reading counts in here
  // The slow start, the metadata and the last piece included.
  CHECK(seconds(get) < 96.0 / 350 * 1.35);
}

TEST_CASE("a disk under pressure: no new piece while it lasts, new ones as soon as it eases") {
  const auto sample = make_sample({{"a", 4'000'000}}, 64 << 10);
  FakeWire net;
  auto& seed = net.add_seed(sample);
  auto& get = net.add(sample, with_info());
  REQUIRE(net.run_until([&] { return get.status().phase == Phase::downloading; }, 1s));
  get.torrent.set_disk_pressure(true);
  net.introduce(get, seed);
  net.run_for(3'130ms);
  REQUIRE(get.status().connected == 1);
  CHECK(get.requests == 0);
  get.torrent.set_disk_pressure(false);
  // Well before the next of its half-second ticks.
  CHECK(net.run_until([&] { return get.finished; }, 250ms));
}

TEST_CASE("W6 a long fat link is filled, whatever the limit for near ones") {
  const auto sample = make_sample({{"a", 200'000'000}}, 1 << 20);
  FakeWire net;
  net.check_invariants = false;
  net.link.latency = 100ms;
  net.link.rate = 60e6;
  auto seed_spec = FakeWire::node_spec();
  seed_spec.config.request_queue = 2'000;
  auto& seed = net.add_seed(sample, seed_spec);
  auto& get = net.add(sample);
  net.introduce(get, seed);
  REQUIRE(net.run_until([&] { return get.finished; }, 60s));
  // 3.3 s on the wire; the way there and a slow start by doubling from 64 KiB take two more.
  CHECK(seconds(get) < 8);
}

TEST_CASE("adding an endpoint that is ourselves does nothing") {
  const auto sample = make_sample({{"a", 100'000}}, 64 << 10);
  FakeWire net;
  auto& get = net.add(sample);
  get.torrent.add_own_endpoint(get.endpoint);
  net.introduce(get, get);
  net.run_for(5s);
  CHECK(get.dials.empty());
}

}  // namespace
}  // namespace lodestone::magnet
