// SPDX-License-Identifier: Apache-2.0
// Any bytes as a DHT snapshot: what is accepted survives a round trip, and a node can be restored from it.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "dht/node.hpp"
#include "dht/snapshot.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lodestone;
  const auto snapshot = dht::decode({data, size});
  if (!snapshot) return 0;
  if (snapshot->contacts.size() > dht::kMaxSavedContacts || snapshot->lookups.size() > dht::kMaxSavedLookups) {
    std::abort();
  }
  const auto again = dht::decode(dht::encode(*snapshot));
  if (!again || again->id != snapshot->id || again->contacts.size() != snapshot->contacts.size()) std::abort();
  if (again->saved != snapshot->saved) std::abort();
  for (std::size_t i = 0; i < snapshot->contacts.size(); ++i) {
    const dht::SavedContact &a = snapshot->contacts[i], &b = again->contacts[i];
    if (a.endpoint != b.endpoint || a.last_seen != b.last_seen || a.rtt != b.rtt || a.failed != b.failed) std::abort();
    if (a.version != b.version) std::abort();
  }
  if (again->store.size() != snapshot->store.size() || again->lookups.size() != snapshot->lookups.size()) std::abort();

  if (again->run.has_value() != snapshot->run.has_value()) std::abort();
  if (snapshot->run) {
    if (again->run->since != snapshot->run->since) std::abort();
    for (const dht::CounterInfo& info : dht::kCounters)
      if (again->run->counters.*info.value != snapshot->run->counters.*info.value) std::abort();
  }

  dht::NodeConfig config;
  config.id = snapshot->id;
  config.policy.allow(wire::AddressKind::global);
  dht::Node node{wire::Instant{}, config, wire::Rng::from_number(1)};
  dht::Output out;
  node.restore(wire::Instant{}, *snapshot, out);
  node.check_invariants();
  if (node.store_size() > config.limits.contact_store) std::abort();
  // Lookups for what was looked up then: they start from whatever the file names.
  for (std::size_t i = 0; i < std::min<std::size_t>(snapshot->lookups.size(), 4); ++i)
    (void)node.get_peers(wire::Instant{}, wire::InfoHash{snapshot->lookups[i].info_hash.bytes()}, std::nullopt, out);
  const dht::Snapshot kept = node.snapshot(snapshot->saved, wire::Instant{});
  if (kept.store.size() != node.store_size() || kept.lookups.size() > config.limits.cached_lookups) std::abort();
  for (const auto& d : out.datagrams.entries())
    if (!config.policy.allows(d.to)) std::abort();
  return 0;
}
