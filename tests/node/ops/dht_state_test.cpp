// SPDX-License-Identifier: Apache-2.0
#include "node/ops/dht_state.hpp"

#include <fstream>

#include <catch2/catch.hpp>

#include "node/ops/locks.hpp"
#include "node/ops/state_dir.hpp"
#include "wire/base/rng.hpp"

namespace lodestone::node {
namespace {

dht::SavedContact contact(wire::Rng& rng, const char* endpoint, wire::UnixSeconds last_seen) {
  return {rng.id<wire::NodeId>(), *wire::Endpoint::parse(endpoint), last_seen};
}

}  // namespace

TEST_CASE("D6 the holder of node.lock saves identity and contacts, and finds them again") {
  const TemporaryDir folder;
  const std::string path = folder.path() + "/dht4";
  auto rng = wire::Rng::from_number(1);
  const dht::Snapshot saved{rng.id<wire::NodeId>(),
                            {contact(rng, "1.2.3.4:5", 1'000), contact(rng, "5.6.7.8:9", 2'000)}};
  CHECK(load_dht(path, wire::Family::v4).id.is_zero());
  save_dht_as_owner(path, saved);
  const dht::Snapshot loaded = load_dht(path, wire::Family::v4);
  CHECK(loaded.id == saved.id);
  REQUIRE(loaded.contacts.size() == 2);
  CHECK(loaded.contacts[0].endpoint == saved.contacts[0].endpoint);
  CHECK(load_dht(path, wire::Family::v6).contacts.empty());
}

TEST_CASE("D6 others add what they learnt and keep the identity, and only if no node runs") {
  const TemporaryDir folder;
  const std::string path = folder.path() + "/dht4";
  const std::string node_lock = folder.path() + "/node.lock";
  auto rng = wire::Rng::from_number(2);
  dht::Snapshot saved{rng.id<wire::NodeId>(), {contact(rng, "1.2.3.4:5", 1'000)}};
  saved.run.emplace();
  saved.run->since = 500;
  saved.run->counters.queries_in = 7;
  save_dht_as_owner(path, saved);
  dht::Snapshot learnt{rng.id<wire::NodeId>(), {contact(rng, "5.6.7.8:9", 2'000)}};
  learnt.run.emplace();
  learnt.run->since = 600;
  {
    const auto running = FileLock::take(node_lock);
    REQUIRE(running);
    save_dht_as_guest(path, node_lock, wire::Family::v4, learnt);
    CHECK(load_dht(path, wire::Family::v4).contacts.size() == 1);
  }
  save_dht_as_guest(path, node_lock, wire::Family::v4, learnt);
  const dht::Snapshot merged = load_dht(path, wire::Family::v4);
  CHECK(merged.id == saved.id);
  CHECK(merged.contacts.size() == 2);
  // And what that node has counted.
  REQUIRE(merged.run);
  CHECK(merged.run->since == 500);
  CHECK(merged.run->counters.queries_in == 7);
}

TEST_CASE("Merged contacts: one per endpoint with the latest news, bounded") {
  auto rng = wire::Rng::from_number(3);
  dht::Snapshot saved{rng.id<wire::NodeId>(), {contact(rng, "1.2.3.4:5", 1'000), contact(rng, "2.2.2.2:2", 3'000)}};
  const dht::Snapshot learnt{rng.id<wire::NodeId>(), {contact(rng, "1.2.3.4:5", 2'000)}};
  dht::Snapshot merged = merge_dht(saved, learnt);
  REQUIRE(merged.contacts.size() == 2);
  CHECK(merged.contacts[0].endpoint.text() == "2.2.2.2:2");
  CHECK(merged.contacts[1].last_seen == 2'000);
  CHECK(merged.contacts[1].id == learnt.contacts[0].id);
  for (int i = 0; i < 2'000; ++i)
    saved.contacts.push_back(
        {rng.id<wire::NodeId>(), {wire::Address::v4(static_cast<std::uint32_t>(0x01000000 + i)), 1}, 5});
  merged = merge_dht(saved, learnt);
  CHECK(merged.contacts.size() == kMaxSavedContacts);
}

TEST_CASE("A damaged snapshot costs only itself") {
  const TemporaryDir folder;
  const std::string path = folder.path() + "/dht4";
  std::ofstream(path) << "d8:contacts";
  const dht::Snapshot loaded = load_dht(path, wire::Family::v4);
  CHECK(loaded.id.is_zero());
  CHECK(loaded.contacts.empty());
}

TEST_CASE("Merged stores and lookups: one per id and per hash with the latest news") {
  auto rng = wire::Rng::from_number(4);
  const auto a = contact(rng, "1.2.3.4:5", 1'000), b = contact(rng, "2.2.2.2:2", 3'000);
  auto a_later = a;
  a_later.last_seen = 2'000;
  const auto hash = rng.id<wire::Key>();
  const dht::Snapshot saved{{}, {}, 0, {a, b}, {{hash, 5, wire::ByteVector(26), {}}, {rng.id<wire::Key>(), 1, {}, {}}}};
  const dht::Snapshot learnt{{}, {}, 0, {a_later}, {{hash, 6, wire::ByteVector(52), {}}}};
  const dht::Snapshot merged = merge_dht(saved, learnt);
  REQUIRE(merged.store.size() == 2);
  CHECK(merged.store[0].id == b.id);
  CHECK(merged.store[1].id == a.id);
  CHECK(merged.store[1].last_seen == 2'000);
  REQUIRE(merged.lookups.size() == 2);
  CHECK(merged.lookups[0].at == 6);
  CHECK(merged.lookups[0].nodes.size() == 52);
}

}  // namespace lodestone::node
