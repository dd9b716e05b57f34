// SPDX-License-Identifier: Apache-2.0
#include "dht/lookup_cache.hpp"

#include <algorithm>
#include <array>
#include <iterator>

namespace lodestone::dht {
namespace {

/// The whole items among the first `max`.
void cut(wire::ByteVector& raw, std::size_t item, std::size_t max) {
  raw.resize(std::min(raw.size() / item, max) * item);
}

}  // namespace

const LookupCache::Entry* LookupCache::find(const wire::Key& info_hash) const {
  const auto at =
      std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.info_hash == info_hash; });
  return at == entries_.end() ? nullptr : &*at;
}

LookupCache::Entry& LookupCache::place(const wire::Key& info_hash) {
  if (const Entry* known = find(info_hash)) return const_cast<Entry&>(*known);
  Entry* e;
  if (entries_.size() < capacity_) {
    e = &entries_.emplace_back();
  } else {
    e = &*std::min_element(entries_.begin(), entries_.end(),
                           [](const Entry& a, const Entry& b) { return a.at < b.at; });
    *e = Entry{};
    ++displaced_;
  }
  e->info_hash = info_hash;
  return *e;
}

void LookupCache::remember(wire::Instant now, const wire::Key& info_hash, std::span<const Contact> nodes,
                           std::span<const wire::Endpoint> peers) {
  if (capacity_ == 0 || nodes.empty()) return;
  Entry& e = place(info_hash);
  e.peers.clear();
  for (const wire::Endpoint& peer : peers.first(std::min(peers.size(), kPeers))) {
    std::array<std::uint8_t, wire::Endpoint::compact_size(wire::Family::v6)> raw;
    const std::size_t n = peer.write_compact(raw.data());
    std::copy_n(raw.begin(), n, std::back_inserter(e.peers));
  }
  e.nodes.clear();
  for (const Contact& node : nodes.first(std::min(nodes.size(), kNodes))) {
    std::array<std::uint8_t, Contact::compact_size(wire::Family::v6)> raw;
    const std::size_t n = node.write_compact(raw.data());
    std::copy_n(raw.begin(), n, std::back_inserter(e.nodes));
  }
  e.at = now;
}

void LookupCache::restore(Entry entry) {
  if (capacity_ == 0) return;
  if (const Entry* known = find(entry.info_hash); known != nullptr && known->at >= entry.at) return;
  if (entries_.size() >= capacity_ && std::all_of(entries_.begin(), entries_.end(), [&](const Entry& e) {
        return e.at > entry.at && e.info_hash != entry.info_hash;
      })) {
    return;
  }
  cut(entry.nodes, Contact::compact_size(family_), kNodes);
  cut(entry.peers, wire::Endpoint::compact_size(family_), kPeers);
  if (entry.nodes.empty()) return;
  place(entry.info_hash) = std::move(entry);
}

krpc::CompactPeers LookupCache::peers(wire::Instant now, const wire::Key& info_hash) const {
  const Entry* e = find(info_hash);
  if (e == nullptr || now - e->at >= kPeersFor || e->peers.empty()) return {};
  const std::size_t size = wire::Endpoint::compact_size(family_);
  return {e->peers.data(), e->peers.size() / size, size, size};
}

}  // namespace lodestone::dht
