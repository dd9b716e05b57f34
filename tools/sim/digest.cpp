// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/digest.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

#include "wire/base/hash.hpp"

namespace lodestone::tools::sim {

void Digest::add(wire::Instant at, const wire::Endpoint& from, const wire::Endpoint& to, wire::Bytes bytes) {
  // What was sent before is the key of what is sent now: the order counts, too.
  wire::SipKey key{};
  wire::store_be64(key.data(), value_);
  wire::store_be64(key.data() + 8, static_cast<std::uint64_t>(at.time_since_epoch().count()));
  std::array<std::uint8_t, 2 * 18 + 8> header{};
  from.write_compact(header.data());
  to.write_compact(header.data() + 18);
  wire::store_be64(header.data() + 36, wire::siphash(key, bytes));
  value_ = wire::siphash(key, header);
}

}  // namespace lodestone::tools::sim
