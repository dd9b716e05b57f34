// SPDX-License-Identifier: Apache-2.0
// What the DHT remembers between runs (D6). The saved identity belongs to the holder of node.lock; everybody else
// starts with a fresh id from the saved contacts, and at its end adds what it learnt, provided that no node runs.
#pragma once

#include <string>

#include "dht/node.hpp"

namespace lodestone::node {

inline constexpr std::size_t kMaxSavedContacts = 500;

/// Empty (id zero, no contacts) when there is none or it cannot be read.
[[nodiscard]] dht::Snapshot load_dht(const std::string& path, wire::Family family);
/// Contacts of both, each endpoint once with its latest news, latest first, at most kMaxSavedContacts; the id of
/// `saved`, and what that node has counted.
[[nodiscard]] dht::Snapshot merge_dht(const dht::Snapshot& saved, const dht::Snapshot& learnt);
/// As the holder of node.lock: replaces what is saved, identity included.
void save_dht_as_owner(const std::string& path, const dht::Snapshot& snapshot);
/// As anybody else: adds the contacts to what is saved, unless `node_lock` is held.
void save_dht_as_guest(const std::string& path, const std::string& node_lock, wire::Family family,
                       const dht::Snapshot& learnt);

}  // namespace lodestone::node
