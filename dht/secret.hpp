// SPDX-License-Identifier: Apache-2.0
// A key for the hash of what strangers choose: addresses, prefixes, endpoints. Used by whoever keeps a table of these.
#pragma once

#include "wire/base/hash.hpp"
#include "wire/base/rng.hpp"

namespace lodestone::dht {

[[nodiscard]] inline wire::SipKey random_secret(wire::Rng& rng) {
  wire::SipKey secret;
  rng.fill(secret);
  return secret;
}

}  // namespace lodestone::dht
