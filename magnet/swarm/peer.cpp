// SPDX-License-Identifier: Apache-2.0
#include "magnet/swarm/peer.hpp"

#include <cassert>

namespace lodestone::magnet {

Peer& PeerTable::add(wire::Instant now, LinkKey link, const wire::Endpoint& remote, bool incoming) {
  assert(link.valid() && find(link) == nullptr);
  if (by_slot_.size() <= link.slot) by_slot_.resize(link.slot + 1, kNone);
  by_slot_[link.slot] = static_cast<std::uint32_t>(peers_.size());
  peers_.push_back(std::make_unique<Peer>(now, link, remote, incoming));
  return *peers_.back();
}

Peer* PeerTable::find(LinkKey link) {
  if (link.slot >= by_slot_.size() || by_slot_[link.slot] == kNone) return nullptr;
  Peer* peer = peers_[by_slot_[link.slot]].get();
  return peer->link == link ? peer : nullptr;
}

void PeerTable::erase(LinkKey link) {
  if (find(link) == nullptr) return;
  const std::uint32_t position = by_slot_[link.slot];
  by_slot_[link.slot] = kNone;
  peers_.erase(peers_.begin() + position);
  for (std::uint32_t i = position; i < peers_.size(); ++i) by_slot_[peers_[i]->link.slot] = i;
}

}  // namespace lodestone::magnet
