// SPDX-License-Identifier: Apache-2.0
// Swarms in which everything happens at once, by lot: liars, dawdlers, killed and restarted processes, full disks,
// selections. Whatever happens, invariants hold after each step, and whoever can finish does, with the right bytes.
#include <catch2/catch.hpp>

#include "tests/support/fake_wire.hpp"

namespace lodestone::magnet {
namespace {

using namespace std::chrono_literals;
using test::FakeWire;
using test::make_sample;
using test::Sample;

Sample random_sample(wire::Rng& rng) {
  static constexpr std::uint32_t kLengths[] = {16 << 10, 40 << 10, 128 << 10, 1 << 20, 5 << 20};
  const std::uint32_t length = kLengths[rng.below(5)];
  std::vector<test::SampleFile> files;
  const std::uint64_t total = 1'000'000 + rng.below(length > (4u << 20) ? 12'000'000 : 4'000'000);
  std::uint64_t left = total;
  for (int i = 0; left > 0; ++i) {
    const std::uint64_t n = rng.chance(0.1) ? 0 : 1 + rng.below(left);
    files.push_back({"f" + std::to_string(i), i == 12 ? left : n});
    left -= files.back().size;
  }
  return make_sample(files, length, false, rng.next());
}

std::function<bool(Action&)> mischief(wire::Rng rng, double corrupt, double swallow) {
  return [rng, corrupt, swallow](Action& a) mutable {
    auto* send = std::get_if<action::SendPiece>(&a);
    if (send == nullptr) return true;
    if (rng.chance(corrupt)) send->block.bytes()[rng.below(send->block.size())] ^= 0x10;
    return !rng.chance(swallow);
  };
}

void run(std::uint64_t number) {
  INFO("seed " << number);
  wire::Rng rng = wire::Rng::from_number(number);
  const Sample sample = random_sample(rng);
  FakeWire net(number);
  net.check_invariants = rng.chance(0.5);
  std::vector<FakeWire::Node*> live;
  std::vector<wire::Endpoint> endpoints;
  const auto join = [&](FakeWire::Node& node) -> FakeWire::Node& {
    endpoints.push_back(node.endpoint);
    for (auto* other : live)
      if (!other->dead) net.introduce(*other, node, rng.chance(0.5) ? PeerSource::dht : PeerSource::lsd);
    net.tell(node, endpoints, PeerSource::dht);
    live.push_back(&node);
    return node;
  };
  const auto shape_links = [&] {
    net.link.latency = std::chrono::milliseconds(1 + rng.below(150));
    net.link.rate = rng.chance(0.2) ? 0 : 20'000.0 * static_cast<double>(1 + rng.below(200));
  };

  for (int i = 0; i < 2; ++i) join(net.add_seed(sample));
  if (rng.chance(0.5)) {
    auto spec = FakeWire::node_spec();
    spec.tamper = mischief(rng.fork(), rng.unit() * 0.5, 0);
    join(net.add_seed(sample, spec));
  }
  if (rng.chance(0.5)) {
    auto spec = FakeWire::node_spec();
    spec.tamper = mischief(rng.fork(), 0, rng.unit());
    join(net.add_seed(sample, spec));
  }
  const auto leecher = [&](std::shared_ptr<storage::MemoryDisk> disk) {
    shape_links();
    auto spec = FakeWire::node_spec();
    spec.config.seed_after = true;
    spec.config.sequential = rng.chance(0.2);
    spec.config.max_peers = 2 + rng.below(20);
    spec.config.upload_slots = 1 + rng.below(6);
    spec.disk = std::move(disk);
    spec.knows_info = spec.disk != nullptr;
    spec.disk_latency = std::chrono::milliseconds(rng.below(30));
    spec.faults = std::make_shared<storage::Faults>();
    if (rng.chance(0.2)) {
      const std::uint64_t lot = rng.next();
      spec.wanted = [lot](const Info& info) {
        std::vector<bool> w;
        for (std::size_t f = 0; f < info.files.size(); ++f) w.push_back((lot >> (f % 64)) & 1);
        return w;
      };
    }
    return &join(net.add(sample, spec));
  };
  std::vector<FakeWire::Node*> leechers;
  for (std::size_t i = 0; i < 3 + rng.below(3); ++i) leechers.push_back(leecher(nullptr));

  for (int event = 0; event < 6; ++event) {
    net.run_for(std::chrono::milliseconds(rng.below(4'000)));
    auto*& victim = leechers[rng.below(leechers.size())];
    switch (rng.below(4)) {
      case 0: {  // kill -9, and again from the same disk
        const bool info_kept = victim->store != nullptr;
        net.kill(*victim);
        victim = leecher(info_kept ? victim->disk : nullptr);
        break;
      }
      case 1:
        victim->spec.faults->limit_space(rng.below(500'000));
        net.run_for(std::chrono::milliseconds(rng.below(3'000)));
        victim->spec.faults->heal();
        break;
      case 2: {  // a cable is pulled
        net.mute(*victim);
        victim = leecher(nullptr);
        break;
      }
      default: shape_links(); break;
    }
  }
  const auto done = [](const FakeWire::Node* n) { return n->finished; };
  const bool all = net.run_until([&] { return std::all_of(leechers.begin(), leechers.end(), done); }, 2h);
  for (const auto* node : leechers) {
    const TorrentStatus s = node->status();
    INFO("bytes " << s.bytes_done << " of " << s.bytes_total << ", stall " << code(s.stall) << ", connected "
                  << s.connected << ", phase " << static_cast<int>(s.phase));
    CHECK(node->finished);
    CHECK_FALSE(node->failed.has_value());
    CHECK(s.bytes_done == s.bytes_total);
  }
  CHECK(all);
  for (const auto* node : leechers)
    for (std::size_t f = 0; f < sample.info->files.size(); ++f) {
      const storage::FileEntry& file = sample.info->files[f];
      if (node->spec.wanted && !node->spec.wanted(*sample.info)[f]) continue;
      const auto begin = sample.stream.begin() + static_cast<std::ptrdiff_t>(file.offset);
      const auto content = node->disk->content("root/" + file.joined());
      INFO(file.joined() << " of " << file.size << ": " << (content ? content->size() : 0));
      CHECK((content == wire::ByteVector(begin, begin + static_cast<std::ptrdiff_t>(file.size))));
    }
}

TEST_CASE("whatever happens: who can finish does") { run(GENERATE(range(1u, 13u))); }

/// tests/long runs it with more seeds: magnet_tests "[.chaos]"
TEST_CASE("whatever happens: 300 times", "[.chaos]") {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) run(seed);
}

}  // namespace
}  // namespace lodestone::magnet
