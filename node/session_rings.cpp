// SPDX-License-Identifier: Apache-2.0
// Whom an introducer hands out, across restarts: ten million contacts are brought back while it serves, a slice at a
// time, and saved every hour likewise. Nothing of it holds up the network thread for longer than a few milliseconds
// but the save at the end, which is another thread's. What is saved belongs to one node per family: the first.
#include <algorithm>
#include <string>
#include <system_error>
#include <utility>

#include "dht/contact.hpp"
#include "node/ops/log.hpp"
#include "node/session_impl.hpp"

namespace lodestone::node {
namespace {

constexpr std::size_t kSlice = 16'384;  // contacts

std::size_t slice_bytes(wire::Family family) { return kSlice * dht::Contact::compact_size(family); }

void warn(const std::string& path, const std::error_code& error) {
  log::warn("cannot save the ring of contacts: {}: {}", path, error.message());
}

}  // namespace

void Session::Impl::restore_rings() {
  if (!state) return;
  for (std::size_t i = 0; i < dht_nodes.size(); ++i) {
    const wire::Family family = dht_nodes[i]->family();
    if (ring_memory[i] == nullptr || dht_for(family) != dht_nodes[i].get()) continue;
    std::string path = state->ring(family, config.private_net);
    auto reader = RingReader::open(path, family, config.dht_limits.ring_size);
    saved_rings.push_back({.family = family, .path = std::move(path), .memory = ring_memory[i], .restored = !reader});
    if (reader) restore_ring_next(saved_rings.size() - 1, std::make_shared<RingReader>(*std::move(reader)));
  }
}

void Session::Impl::restore_ring_next(std::size_t which, const std::shared_ptr<RingReader>& reader) {
  // Not on the saver's thread: whoever stops us now waits for what is to be saved, and for none of this.
  host.hasher.ask([reader] { return reader->next(kSlice); },
                  while_alive([this, which, reader](const wire::ByteVector& slice) {
                    wake([&] {
                      DhtDriver* driver = dht_for(saved_rings[which].family);
                      if (driver == nullptr) return;  // stopped meanwhile
                      if (slice.empty()) {
                        saved_rings[which].restored = true;
                        log::info("{} contacts are in the ring again", driver->node().ring_size());
                        return;
                      }
                      driver->use(now, [&](dht::Node& node, dht::Output&) { node.restore_ring(slice); });
                      restore_ring_next(which, reader);
                    });
                  }));
}

void Session::Impl::save_rings() {
  rings_saved_at = now;
  for (std::size_t which = 0; which < saved_rings.size(); ++which) {
    SavedRing& ring = saved_rings[which];
    // A part of what was there shall not take its place.
    if (!ring.restored || ring.saving != nullptr || dht_for(ring.family)->node().ring_size() == 0) continue;
    ring.saving = std::make_shared<Replacement>(ring.path);
    save_ring_next(which, 0);
  }
}

void Session::Impl::save_ring_next(std::size_t which, std::size_t from) {
  SavedRing& ring = saved_rings[which];
  const DhtDriver* driver = dht_for(ring.family);
  if (driver == nullptr || ring.saving == nullptr) return;  // stopped meanwhile
  const wire::Bytes contacts = driver->node().ring();
  if (from >= contacts.size()) {
    host.saver.run([file = std::exchange(ring.saving, nullptr), path = ring.path] {
      if (const auto error = file->commit()) warn(path, error);
    });
    return;
  }
  const wire::Bytes slice = contacts.subspan(from, std::min(contacts.size() - from, slice_bytes(ring.family)));
  host.saver.ask(
      [file = ring.saving, copy = wire::ByteVector(slice.begin(), slice.end())] {
        file->append(copy);
        return copy.size();
      },
      while_alive([this, which, from](std::size_t bytes) { wake([&] { save_ring_next(which, from + bytes); }); }));
}

void Session::Impl::save_rings_at_the_end() {
  for (SavedRing& ring : saved_rings) {
    const wire::Bytes contacts = dht_for(ring.family)->node().ring();
    if (!ring.restored || contacts.empty()) continue;
    host.saver.run([path = ring.path, contacts, memory = ring.memory, begun = std::exchange(ring.saving, nullptr)] {
      if (begun) begun->discard();
      if (const auto error = replace_file(path, contacts)) warn(path, error);
    });
  }
}

}  // namespace lodestone::node
