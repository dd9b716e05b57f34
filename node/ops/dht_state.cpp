// SPDX-License-Identifier: Apache-2.0
#include "node/ops/dht_state.hpp"

#include <algorithm>
#include <unordered_set>

#include "dht/snapshot.hpp"
#include "node/ops/locks.hpp"
#include "node/ops/log.hpp"
#include "node/ops/state_dir.hpp"

namespace lodestone::node {
namespace {

void save(const std::string& path, const dht::Snapshot& snapshot) {
  if (const auto error = replace_file(path, dht::encode(snapshot)))
    log::warn("cannot save the DHT state: {}: {}", path, error.message());
}

}  // namespace

dht::Snapshot load_dht(const std::string& path, wire::Family family) {
  const auto raw = read_file(path, dht::kMaxSnapshotBytes);
  if (!raw) return {};
  auto snapshot = dht::decode(*raw);
  if (!snapshot) {
    log::warn("{} is not used: {}", path, dht::describe(snapshot.error()));
    return {};
  }
  std::erase_if(snapshot->contacts, [family](const auto& c) { return c.endpoint.family() != family; });
  std::erase_if(snapshot->store, [family](const auto& c) { return c.endpoint.family() != family; });
  return *std::move(snapshot);
}

dht::Snapshot merge_dht(const dht::Snapshot& saved, const dht::Snapshot& learnt) {
  dht::Snapshot merged{saved.id,     learnt.contacts, std::max(saved.saved, learnt.saved),
                       learnt.store, learnt.lookups,  saved.run};
  merged.contacts.insert(merged.contacts.end(), saved.contacts.begin(), saved.contacts.end());
  std::stable_sort(merged.contacts.begin(), merged.contacts.end(),
                   [](const auto& a, const auto& b) { return a.last_seen > b.last_seen; });
  std::unordered_set<wire::Endpoint> seen;
  std::erase_if(merged.contacts, [&seen](const auto& c) { return !seen.insert(c.endpoint).second; });
  if (merged.contacts.size() > kMaxSavedContacts) merged.contacts.resize(kMaxSavedContacts);

  merged.store.insert(merged.store.end(), saved.store.begin(), saved.store.end());
  std::stable_sort(merged.store.begin(), merged.store.end(),
                   [](const auto& a, const auto& b) { return a.last_seen > b.last_seen; });
  std::unordered_set<wire::NodeId> ids;
  std::erase_if(merged.store, [&ids](const auto& c) { return !ids.insert(c.id).second; });
  if (merged.store.size() > dht::kMaxSavedStore) merged.store.resize(dht::kMaxSavedStore);

  merged.lookups.insert(merged.lookups.end(), saved.lookups.begin(), saved.lookups.end());
  std::stable_sort(merged.lookups.begin(), merged.lookups.end(),
                   [](const auto& a, const auto& b) { return a.at > b.at; });
  std::unordered_set<wire::Key> hashes;
  std::erase_if(merged.lookups, [&hashes](const auto& l) { return !hashes.insert(l.info_hash).second; });
  if (merged.lookups.size() > dht::kMaxSavedLookups) merged.lookups.resize(dht::kMaxSavedLookups);
  return merged;
}

void save_dht_as_owner(const std::string& path, const dht::Snapshot& snapshot) { save(path, snapshot); }

void save_dht_as_guest(const std::string& path, const std::string& node_lock, wire::Family family,
                       const dht::Snapshot& learnt) {
  if (learnt.contacts.empty() || is_locked(node_lock)) return;
  save(path, merge_dht(load_dht(path, family), learnt));
}

}  // namespace lodestone::node
