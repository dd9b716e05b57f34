// SPDX-License-Identifier: Apache-2.0
// What each role may use: the one place where roles differ in numbers.
#include "dht/node.hpp"

namespace lodestone::dht {

Limits Limits::client() { return {}; }

Limits Limits::node() {
  Limits l;
  l.peers_per_hash = 2'000;
  l.peers_total = 1'000'000;
  l.hashes_total = 100'000;
  l.peer_store_bytes = 24 << 20;
  l.items_total = 20'000;
  l.items_bytes = 16u << 20;
  l.contact_store = 100'000;
  l.cached_lookups = 256;
  l.max_outstanding = 10'000;
  l.max_lookups = 256;
  return l;
}

Limits Limits::bootstrap() {
  Limits l = node();
  l.prefix_rate = 2'000;
  l.prefix_burst = 10'000;
  l.ring_size = 1'000'000;
  l.ping_queue = 500'000;
  l.visitors = 1'000'000;
  return l;
}

Limits Limits::crawler() {
  Limits l;
  l.max_outstanding = 50'000;
  l.max_lookups = 1'024;
  return l;
}

}  // namespace lodestone::dht
