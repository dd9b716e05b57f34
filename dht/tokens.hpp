// SPDX-License-Identifier: Apache-2.0
// Announce tokens (S1): a keyed hash of address and info-hash under a secret that changes every few minutes. Nothing is
// stored per token; the current and the previous secret are accepted.
#pragma once

#include <array>

#include "wire/base/bytes.hpp"
#include "wire/base/endpoint.hpp"
#include "wire/base/hash.hpp"
#include "wire/base/id.hpp"
#include "wire/base/rng.hpp"
#include "wire/base/time.hpp"

namespace lodestone::dht {

class Tokens {
 public:
  using Token = std::array<std::uint8_t, 8>;

  Tokens(wire::Instant now, wire::Duration rotation, wire::Rng& rng);

  [[nodiscard]] Token make(wire::Instant now, const wire::Address& who, const wire::Key& info_hash, wire::Rng& rng);
  /// True for a token that make() gave out for the same pair during this or the previous period. Constant time.
  [[nodiscard]] bool valid(wire::Instant now, const wire::Address& who, const wire::Key& info_hash, wire::Bytes token,
                           wire::Rng& rng);

  /// The secrets are those of this period: a copy that is not is to be replaced by one that is.
  [[nodiscard]] bool fresh(wire::Instant now) const { return now - rotated_ < rotation_; }
  [[nodiscard]] bool same_period(const Tokens& other) const { return rotated_ == other.rotated_; }

 private:
  void rotate(wire::Instant now, wire::Rng& rng);

  wire::SipKey current_;
  wire::SipKey previous_;
  wire::Instant rotated_;
  wire::Duration rotation_;
};

}  // namespace lodestone::dht
