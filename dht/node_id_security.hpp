// SPDX-License-Identifier: Apache-2.0
// Ids that are tied to an address (BEP 42): the first 21 bits of a node's id follow from its address and three bits of
// choice, so that whoever wants to sit next to a hash needs addresses for it. Nobody is refused for an id that does not
// match; it is only preferred less. Pure functions.
#pragma once

#include <cstdint>

#include "wire/base/endpoint.hpp"
#include "wire/base/id.hpp"
#include "wire/base/rng.hpp"

namespace lodestone::dht {

/// False for the addresses of local networks, which BEP 42 exempts.
[[nodiscard]] bool ties_ids(const wire::Address& address);
/// The id is one that a node at this address may have. True for every id where ties_ids() is false.
[[nodiscard]] bool id_matches(const wire::NodeId& id, const wire::Address& address);
/// A random one of the ids for this address. The low three bits of `choice` are the bits of choice; all eight end up in
/// the id's last byte.
[[nodiscard]] wire::NodeId derive_id(const wire::Address& address, std::uint8_t choice, wire::Rng& rng);
[[nodiscard]] wire::NodeId derive_id(const wire::Address& address, wire::Rng& rng);

}  // namespace lodestone::dht
