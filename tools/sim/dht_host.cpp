// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/dht_host.hpp"

#include <algorithm>

#include "dht/node_id_security.hpp"

namespace lodestone::tools::sim {

DhtHost::DhtHost(World& world, HostId host, std::uint16_t port, dht::NodeConfig config, dht::Output& arena,
                 Instant since)
    : world_(world),
      host_(host),
      local_{world.address(host), port},
      arena_(arena),
      node_(since, std::move(config), world.fork_rng()),
      timer_(world, [this] {
        heed_sister();
        if (world_.now() >= node_.next_deadline()) node_.advance(world_.now(), arena_);
        flush();
      }) {
  world_.bind(host_, port, [this](const Endpoint& from, Bytes bytes) { receive(from, bytes); });
  timer_.arm(node_.next_deadline());
}

DhtHost::~DhtHost() { world_.bind(host_, 0, nullptr); }

void DhtHost::receive(const Endpoint& from, Bytes datagram) {
  heed_sister();
  if (wire::classify(datagram) == wire::DatagramKind::dht)
    node_.receive(world_.now(), from, datagram, arena_, sister_ != nullptr ? &sister_->node_ : nullptr);
  flush();
}

void DhtHost::heed_sister() { node_.want_both(sister_ != nullptr && sister_->node_.wants_contacts(world_.now())); }

void DhtHost::join(std::span<const Endpoint> introducers) {
  use([&](dht::Node& node, dht::Output& out) { node.add_introducers(world_.now(), introducers, out); });
}

void DhtHost::flush() {
  for (const wire::DatagramBatch::Entry& entry : arena_.datagrams.entries())
    world_.send(host_, entry.to, arena_.datagrams.payload(entry));
  arena_.datagrams.clear();
  const Instant next = node_.next_deadline();
  timer_.arm(next == wire::kNever ? next : std::max(next, world_.now() + Timer::kGrain));
  if (arena_.events.empty() && arena_.other_family.empty()) return;
  // The sister uses the arena, too, and a handler may use this or another host.
  std::vector<dht::Event> events = std::exchange(arena_.events, {});
  const std::vector<dht::Contact> named = std::exchange(arena_.other_family, {});
  if (!named.empty()) sister_->use([&](dht::Node& node, dht::Output& out) { node.offer(world_.now(), named, out); });
  if (!on_event_) return;
  for (dht::Event& event : events) on_event_(std::move(event));
}

dht::NodeConfig public_node_config(World& world, HostId host) {
  wire::Rng rng = world.fork_rng();
  return public_node_config(rng, world.address(host));
}

dht::NodeConfig public_node_config(wire::Rng& rng, const Address& address) {
  dht::NodeConfig config;
  config.id = dht::derive_id(address, rng);
  config.policy.allow(wire::AddressKind::global);
  config.limits = dht::Limits::client();
  // A crowd of thousands lives in one process. Who measures a store gives one to a few.
  config.limits.contact_store = 0;
  config.limits.cached_lookups = 0;
  config.limits.remembered_endpoints = 8;
  return config;
}

}  // namespace lodestone::tools::sim
