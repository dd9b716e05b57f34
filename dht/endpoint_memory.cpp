// SPDX-License-Identifier: Apache-2.0
#include "dht/endpoint_memory.hpp"

#include <array>

namespace lodestone::dht {

std::uint64_t EndpointMemory::key_of(const wire::Endpoint& endpoint) const {
  std::array<std::uint8_t, wire::Endpoint::compact_size(wire::Family::v6)> raw;
  const std::size_t n = endpoint.write_compact(raw.data());
  return wire::siphash(secret_, wire::Bytes{raw}.first(n));
}

std::uint32_t EndpointMemory::seconds(wire::Instant now) {
  return static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count());
}

bool EndpointMemory::fresh(wire::Instant now, const Known& known) {
  return std::chrono::seconds(seconds(now) - known.at) < kBelievedFor;
}

EndpointMemory::Known& EndpointMemory::touch(wire::Instant now, const wire::Endpoint& endpoint) {
  Known& known = table_[table_.touch(key_of(endpoint), [now](const Known& k) { return !fresh(now, k); })];
  if (!fresh(now, known)) known = {};
  known.at = seconds(now);
  return known;
}

void EndpointMemory::misnamed(wire::Instant now, const wire::Endpoint& endpoint, const wire::NodeId& real) {
  if (max_ == 0) return;
  Known& known = touch(now, endpoint);
  known.real = real;
  known.misnamed = true;
  known.silences = 0;
}

void EndpointMemory::silent(wire::Instant now, const wire::Endpoint& endpoint) {
  if (max_ == 0) return;
  Known& known = touch(now, endpoint);
  if (known.silences < kTwice) ++known.silences;
}

void EndpointMemory::answered(const wire::Endpoint& endpoint) {
  if (table_.size() == 0) return;
  const auto slot = table_.find(key_of(endpoint));
  if (slot != RecentTable<Known>::kNone) table_[slot].silences = 0;
}

std::optional<Contact> EndpointMemory::judge(wire::Instant now, const Contact& named) {
  if (table_.size() == 0) return named;
  const auto slot = table_.find(key_of(named.endpoint));
  if (slot == RecentTable<Known>::kNone) return named;
  const Known& known = table_[slot];
  if (!fresh(now, known)) return named;
  if (known.silences >= kTwice) {
    ++avoided_;
    return std::nullopt;
  }
  if (!known.misnamed || known.real == named.id) return named;
  ++corrected_;
  return Contact{known.real, named.endpoint};
}

}  // namespace lodestone::dht
