// SPDX-License-Identifier: Apache-2.0
// Peers that lie, vanish or dawdle, and disks that fail.
#include <catch2/catch.hpp>

#include "magnet/swarm/request_window.hpp"
#include "tests/support/fake_wire.hpp"

namespace lodestone::magnet {
namespace {

using namespace std::chrono_literals;
using test::FakeWire;
using test::make_sample;

FakeWire::NodeSpec spec_with(std::function<bool(Action&)> tamper) {
  auto spec = FakeWire::node_spec();
  spec.tamper = std::move(tamper);
  return spec;
}

/// Damages every n-th block it serves.
std::function<bool(Action&)> corrupting(int every) {
  return [every, count = 0](Action& a) mutable {
    if (auto* send = std::get_if<action::SendPiece>(&a))
      if (++count % every == 0) send->block.bytes()[0] ^= 1;
    return true;
  };
}

bool asked_to_close(const FakeWire::Node& node, CloseReason reason) {
  return std::find(node.closes.begin(), node.closes.end(), reason) != node.closes.end();
}

TEST_CASE("W3 a bad piece from a single source bans it") {
  const auto sample = make_sample({{"a", 2'000'000}}, 64 << 10);
  FakeWire net;
  auto& liar = net.add_seed(sample, spec_with(corrupting(1)));
  auto& get = net.add(sample);
  net.introduce(get, liar);
  REQUIRE(net.run_until([&] { return asked_to_close(get, CloseReason::banned); }, 30s));
  const std::size_t dials = get.dials.size();
  net.run_for(10min);
  CHECK(get.dials.size() == dials);
  CHECK(get.status().bytes_done == 0);

  auto& honest = net.add_seed(sample);
  net.introduce(get, honest);
  REQUIRE(net.run_until([&] { return get.finished; }, 60s));
  CHECK((get.single() == sample.stream));
}

TEST_CASE("W3 a liar among honest peers is found out, nobody else is banned, and the file is right") {
  const std::uint64_t seed_number = GENERATE(1u, 2u, 3u, 4u);
  const auto sample = make_sample({{"a", 6'000'000}}, 256 << 10);
  FakeWire net(seed_number);
  net.link.rate = 2e6;
  auto& liar = net.add_seed(sample, spec_with(corrupting(3)));
  auto& honest = net.add_seed(sample);
  auto& honest_too = net.add_seed(sample);
  auto& get = net.add(sample);
  for (auto* peer : {&liar, &honest, &honest_too}) net.introduce(get, *peer);
  REQUIRE(net.run_until([&] { return get.finished; }, 2min));
  CHECK((get.single() == sample.stream));
  CHECK(std::count(get.closes.begin(), get.closes.end(), CloseReason::banned) == 1);
  CHECK_FALSE(get.torrent.wants_link(liar.endpoint));
  CHECK(get.torrent.peers(net.now).size() == 2);
}

TEST_CASE("W3 a liar in a torrent of long pieces is found out by the digests of the scratch file") {
  const auto sample = make_sample({{"a", 16u << 20}}, 8 << 20);
  FakeWire net;
  net.check_invariants = false;
  net.link.rate = 4e6;
  auto& liar = net.add_seed(sample, spec_with(corrupting(50)));
  auto& honest = net.add_seed(sample);
  auto& get = net.add(sample);
  for (auto* peer : {&liar, &honest}) net.introduce(get, *peer);
  REQUIRE(net.run_until([&] { return get.finished; }, 5min));
  CHECK((get.single() == sample.stream));
  CHECK(asked_to_close(get, CloseReason::banned));
  CHECK_FALSE(get.torrent.peers(net.now).empty());
}

TEST_CASE("W3 D4 a long piece that the scratch file has lost is fetched again, and nobody is banned for it") {
  const auto sample = make_sample({{"a", 16u << 20}}, 8 << 20);
  FakeWire net;
  net.check_invariants = false;
  auto& honest = net.add_seed(sample);
  FakeWire::Node* self = nullptr;
  bool lost = false;
  auto& get =
      net.add(sample, spec_with([&](Action& a) {
                auto* disk = std::get_if<action::Disk>(&a);
                const auto* store = disk ? std::get_if<storage::job::StoreSpilled>(&disk->job) : nullptr;
                if (store == nullptr || std::exchange(lost, true)) return true;
                net.at(net.now, [&net, self, piece = store->piece] {
                  self->torrent.on_storage(net.now, storage::result::PieceCorrupt{piece, {}, {}}, self->actions);
                });
                return false;
              }));
  self = &get;
  net.introduce(get, honest);
  REQUIRE(net.run_until([&] { return get.finished; }, 5min));
  CHECK(lost);
  CHECK((get.single() == sample.stream));
  CHECK_FALSE(asked_to_close(get, CloseReason::banned));
}

TEST_CASE("a liar about the metadata's size neither stops the fetch nor gets memory") {
  const auto sample = make_sample({{"a", 1'000'000}}, 64 << 10);
  FakeWire net;
  auto spec = FakeWire::node_spec();
  spec.tamper_extensions = [](wire::ExtensionHandshake& e) { e.metadata_size = 40u << 20; };
  auto& liar = net.add_seed(sample, spec);
  auto& honest = net.add_seed(sample);
  auto& get = net.add(sample);
  net.introduce(get, liar);
  net.run_for(3s);
  CHECK(get.status().metadata_done < (1u << 20));
  net.introduce(get, honest);
  REQUIRE(net.run_until([&] { return get.finished; }, 60s));
  CHECK((get.single() == sample.stream));
}

TEST_CASE("a peer that vanishes in the middle of a piece costs nothing but time") {
  const auto sample = make_sample({{"a", 4'000'000}}, 1 << 20);
  FakeWire net;
  net.link.rate = 1e6;
  auto& first = net.add_seed(sample);
  auto& get = net.add(sample);
  net.introduce(get, first);
  net.run_for(2s);
  REQUIRE(get.status().downloaded > 1'000'000);
  auto& second = net.add_seed(sample);
  net.introduce(get, second);
  SECTION("the link breaks") { net.kill(first); }
  SECTION("it falls silent: W5 after 20 s it is snubbed and others are asked") { net.mute(first); }
  REQUIRE(net.run_until([&] { return get.finished; }, 40s));
  CHECK((get.single() == sample.stream));
  CHECK(get.status().downloaded <= 4'000'000 + 4 * wire::kBlockSize);
}

TEST_CASE("W5 a peer that answers nothing is snubbed after 20 s and then asked for one block at a time") {
  const auto sample = make_sample({{"a", 4'000'000}}, 256 << 10);
  FakeWire net;
  auto& mean = net.add_seed(sample, spec_with([](Action& a) { return !std::holds_alternative<action::SendPiece>(a); }));
  auto& get = net.add(sample);
  net.introduce(get, mean);
  net.run_for(15s);
  const std::size_t asked = get.requests;
  CHECK(asked == RequestWindow::kFloor);
  CHECK_FALSE(get.torrent.peers(net.now).at(0).snubbed);
  net.run_for(8s);
  CHECK(get.torrent.peers(net.now).at(0).snubbed);
  CHECK(get.requests == asked + 1);
  net.run_for(20s);
  CHECK(get.requests == asked + 2);
}

TEST_CASE("a slow peer does not hold the end up: its last blocks are duplicated and cancelled on arrival") {
  const auto sample = make_sample({{"a", 3'000'000}}, 256 << 10);
  FakeWire net;
  net.link.rate = 4'000;  // four seconds a block
  auto& slow = net.add_seed(sample);
  auto& get = net.add(sample);
  net.introduce(get, slow);
  net.run_for(3s);
  net.link.rate = 2e6;
  auto& fast = net.add_seed(sample);
  net.introduce(get, fast);
  REQUIRE(net.run_until([&] { return get.finished; }, 30s));
  CHECK(wire::to_seconds(*get.finished_at - wire::Instant(1h)) < 9);
  CHECK(get.cancels > 0);
  CHECK(get.cancels <= RequestWindow::kFloor);
  CHECK(get.status().wasted <= RequestWindow::kFloor * wire::kBlockSize);
  CHECK((get.single() == sample.stream));
}

TEST_CASE("slow peers cannot eat the budget of a fast one") {
  const auto sample = make_sample({{"a", 60'000'000}}, 2 << 20);
  FakeWire net;
  net.check_invariants = false;
  net.link.rate = 8'000;
  std::vector<FakeWire::Node*> slow;
  for (int i = 0; i < 20; ++i) slow.push_back(&net.add_seed(sample));
  auto& get = net.add(sample);
  for (auto* s : slow) net.introduce(get, *s);
  net.run_for(20s);
  net.link.rate = 10e6;
  auto& fast = net.add_seed(sample);
  net.introduce(get, fast);
  REQUIRE(net.run_until([&] { return get.finished; }, 2min));
  // Six seconds if it were alone.
  CHECK(wire::to_seconds(*get.finished_at - wire::Instant(1h)) < 20 + 10);
  CHECK((get.single() == sample.stream));
}

TEST_CASE("W4 blocks nobody asked for are waste, not data") {
  const auto sample = make_sample({{"a", 500'000}}, 64 << 10);
  FakeWire net;
  bool gave = false;
  FakeWire::Node* giver = nullptr;
  auto& pushy = net.add_seed(
      sample, spec_with([&](Action& a) {
        // Each block is sent twice.
        if (auto* send = std::get_if<action::SendPiece>(&a); send != nullptr && giver != nullptr && !gave) {
          wire::Block copy = giver->pool.take(send->block.size());
          std::copy(send->block.bytes().begin(), send->block.bytes().end(), copy.bytes().begin());
          gave = true;
          giver->actions.push_back(action::SendPiece{send->link, send->range, std::move(copy)});
        }
        return true;
      }));
  giver = &pushy;
  auto& get = net.add(sample);
  net.introduce(get, pushy);
  REQUIRE(net.run_until([&] { return get.finished; }, 30s));
  CHECK(gave);
  CHECK(get.status().wasted == wire::kBlockSize);
  CHECK(get.status().downloaded == 500'000 + wire::kBlockSize);
}

// --- disk ---

TEST_CASE("D2 a full disk pauses the torrent with the reason, retries, and loses nothing") {
  const auto sample = make_sample({{"a", 4'000'000}}, 128 << 10);
  FakeWire net;
  net.link.rate = 2e6;
  auto& seed = net.add_seed(sample);
  auto spec = FakeWire::node_spec();
  spec.faults = std::make_shared<storage::Faults>();
  auto& get = net.add(sample, spec);
  net.introduce(get, seed);
  net.run_for(1s);
  const std::uint64_t done = get.status().bytes_done;
  REQUIRE(done > 0);
  spec.faults->limit_space(0);
  net.run_for(10s);
  CHECK(get.status().stall == StallReason::disk);
  const std::uint64_t downloaded = get.status().downloaded;
  CHECK(downloaded < done + storage::kUnstoredLimit + (2u << 20));
  net.run_for(20s);
  CHECK(get.status().downloaded == downloaded);
  CHECK(get.status().stall == StallReason::disk);
  CHECK_FALSE(get.failed.has_value());

  spec.faults->heal();
  REQUIRE(net.run_until([&] { return get.finished; }, 30s));
  CHECK((get.single() == sample.stream));
  CHECK(get.status().downloaded == 4'000'000);
}

TEST_CASE("D2 a full disk under long pieces: spilled blocks wait, too") {
  const auto sample = make_sample({{"a", 10'000'000}}, 8 << 20);
  FakeWire net;
  net.link.rate = 4e6;
  auto& seed = net.add_seed(sample);
  auto spec = FakeWire::node_spec();
  spec.faults = std::make_shared<storage::Faults>();
  auto& get = net.add(sample, spec);
  net.introduce(get, seed);
  net.run_for(1s);
  spec.faults->limit_space(0);
  net.run_for(30s);
  CHECK(get.status().stall == StallReason::disk);
  spec.faults->heal();
  REQUIRE(net.run_until([&] { return get.finished; }, 60s));
  CHECK((get.single() == sample.stream));
}

TEST_CASE("D3 existing files without state are hashed, and what matches is kept") {
  const auto sample = make_sample({{"a", 2'000'000}}, 64 << 10);
  FakeWire net;
  auto& seed = net.add_seed(sample);
  auto damaged = sample.stream;
  damaged[1'000'000] ^= 1;
  auto spec = FakeWire::node_spec();
  spec.knows_info = true;
  spec.disk = std::make_shared<storage::MemoryDisk>();
  spec.disk->put("root/sample", damaged);
  spec.disk_latency = 1ms;
  auto& get = net.add(sample, spec);
  net.run_for(2ms);
  CHECK(get.status().phase == Phase::checking);
  net.introduce(get, seed);
  REQUIRE(net.run_until([&] { return get.finished; }, 30s));
  CHECK(get.status().downloaded == 64 << 10);
  CHECK((get.single() == sample.stream));
}

TEST_CASE("D3 foreign content is not overwritten: Failed with a conflict") {
  const auto sample = make_sample({{"a", 2'000'000}}, 64 << 10);
  FakeWire net;
  auto& seed = net.add_seed(sample);
  auto foreign = wire::ByteVector(2'000'000, 'x');
  auto spec = FakeWire::node_spec();
  spec.disk = std::make_shared<storage::MemoryDisk>();
  spec.disk->put("root/sample", foreign);
  SECTION("refused") {
    auto& get = net.add(sample, spec);
    net.introduce(get, seed);
    REQUIRE(net.run_until([&] { return get.failed.has_value(); }, 30s));
    CHECK(get.failed->trouble.kind == storage::Trouble::Kind::conflict);
    CHECK(get.failed->trouble.path.find("sample") != std::string::npos);
    net.run_for(30s);
    CHECK(get.status().downloaded == 0);
    CHECK((get.single() == foreign));
    CHECK_FALSE(get.finished);
  }
  SECTION("forced") {
    spec.force = true;
    auto& get = net.add(sample, spec);
    net.introduce(get, seed);
    REQUIRE(net.run_until([&] { return get.finished; }, 30s));
    CHECK((get.single() == sample.stream));
  }
}

TEST_CASE("D3 a file that becomes wanted while something stands at its path is hashed, and kept or in the way") {
  // Files do not end where pieces do: what they share of the unwanted ones lies in the state directory.
  const auto sample = make_sample({{"a", 500'000}, {"b", 700'000}, {"c", 600'000}}, 64 << 10);
  const auto content = [&](std::uint32_t file) {
    const auto& entry = sample.info->files[file];
    const auto begin = sample.stream.begin() + static_cast<std::ptrdiff_t>(entry.offset);
    return wire::ByteVector(begin, begin + static_cast<std::ptrdiff_t>(entry.size));
  };
  FakeWire net;
  auto& seed = net.add_seed(sample);
  auto spec = FakeWire::node_spec();
  spec.disk = std::make_shared<storage::MemoryDisk>();
  spec.wanted = [](const Info& info) {
    std::vector<bool> wanted;
    for (const auto& file : info.files) wanted.push_back(file.path.back() == "b");
    return wanted;
  };
  auto& first = net.add(sample, spec);
  net.introduce(first, seed);
  REQUIRE(net.run_until([&] { return first.finished; }, 60s));
  CHECK(first.status().phase == Phase::seeding);
  CHECK_FALSE(first.status().complete);  // it has what it wanted, but not everything: no seed (BEP 33)
  net.stop(first);
  REQUIRE(net.run_until([&] { return first.status().phase == Phase::stopped; }, 5s));
  REQUIRE_FALSE(first.file("a").has_value());
  spec.wanted = nullptr;
  spec.disk->put("root/sample/a", content(0));

  SECTION("the right content: nothing of it is fetched again") {
    spec.disk->put("root/sample/c", content(2));
    auto& get = net.add(sample, spec);
    net.introduce(get, seed);
    REQUIRE(net.run_until([&] { return get.finished; }, 60s));
    CHECK_FALSE(get.failed.has_value());
    CHECK(get.status().downloaded == 0);
    CHECK((get.file("a") == content(0)));
    CHECK((get.file("b") == content(1)));
    CHECK((get.file("c") == content(2)));
  }
  SECTION("partly right: the rest is fetched") {
    auto damaged = content(2);
    damaged[300'000] ^= 1;
    spec.disk->put("root/sample/c", damaged);
    auto& get = net.add(sample, spec);
    net.introduce(get, seed);
    REQUIRE(net.run_until([&] { return get.finished; }, 60s));
    CHECK(get.status().downloaded == 64 << 10);
    CHECK((get.file("c") == content(2)));
  }
  SECTION("somebody else's: Failed with a conflict that names it, though the other one is right") {
    const wire::ByteVector diary(600'000, 'x');
    spec.disk->put("root/sample/c", diary);
    for (int run = 0; run < 2; ++run) {
      auto& get = net.add(sample, spec);
      net.introduce(get, seed);
      REQUIRE(net.run_until([&] { return get.failed.has_value(); }, 30s));
      CHECK(get.failed->trouble.kind == storage::Trouble::Kind::conflict);
      CHECK(get.failed->trouble.path == "root/sample/c");
      net.run_for(30s);
      CHECK(get.status().downloaded == 0);
      CHECK_FALSE(get.finished);
      CHECK((get.file("c") == diary));
      if (run == 0) net.stop(get);
      net.run_for(5s);
      net.kill(get);
    }
    spec.force = true;
    auto& get = net.add(sample, spec);
    net.introduce(get, seed);
    REQUIRE(net.run_until([&] { return get.finished; }, 60s));
    CHECK((get.file("c") == content(2)));
  }
}

TEST_CASE("D2 a store that cannot be opened is told at once") {
  const auto sample = make_sample({{"a", 2'000'000}}, 64 << 10);
  FakeWire net;
  auto spec = FakeWire::node_spec();
  spec.knows_info = true;
  spec.faults = std::make_shared<storage::Faults>();
  spec.faults->fail(storage::FileOp::create, std::errc::permission_denied, 1, storage::Faults::kForEver);
  auto& get = net.add(sample, spec);
  REQUIRE(net.run_until([&] { return get.failed.has_value(); }, 1s));
  CHECK(get.failed->trouble.kind == storage::Trouble::Kind::permission);
  net.stop(get);
  REQUIRE(net.run_until([&] { return get.status().phase == Phase::stopped; }, 1s));
}

TEST_CASE("stopping in the middle of everything ends stopped, and every block is home") {
  const auto sample = make_sample({{"a", 8'000'000}}, 1 << 20);
  FakeWire net;
  net.link.rate = 4e6;
  auto& seed = net.add_seed(sample);
  auto spec = FakeWire::node_spec();
  spec.disk_latency = 50ms;
  auto& get = net.add(sample, spec);
  net.introduce(get, seed);
  net.run_for(wire::Duration(GENERATE(0, 20, 100, 700, 1'500)) * 1'000'000);
  net.stop(get);
  REQUIRE(net.run_until([&] { return get.status().phase == Phase::stopped; }, 1s));
  CHECK(net.live_links(get) == 0);
  net.run_for(1min);
  CHECK(get.torrent.next_deadline() == wire::kNever);
}

}  // namespace
}  // namespace lodestone::magnet
