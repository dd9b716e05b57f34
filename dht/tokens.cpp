// SPDX-License-Identifier: Apache-2.0
#include "dht/tokens.hpp"

#include <algorithm>

namespace lodestone::dht {
namespace {

Tokens::Token token_under(const wire::SipKey& secret, const wire::Address& who, const wire::Key& info_hash) {
  std::array<std::uint8_t, 16 + wire::Key::kSize> message;
  const wire::Bytes ip = who.bytes();
  auto end = std::copy(ip.begin(), ip.end(), message.begin());
  end = std::copy(info_hash.bytes().begin(), info_hash.bytes().end(), end);
  const auto size = static_cast<std::size_t>(end - message.begin());
  Tokens::Token token;
  wire::store_be64(token.data(), wire::siphash(secret, wire::Bytes{message.data(), size}));
  return token;
}

}  // namespace

Tokens::Tokens(wire::Instant now, wire::Duration rotation, wire::Rng& rng) : rotated_(now), rotation_(rotation) {
  rng.fill(current_);
  rng.fill(previous_);
}

Tokens::Token Tokens::make(wire::Instant now, const wire::Address& who, const wire::Key& info_hash, wire::Rng& rng) {
  rotate(now, rng);
  return token_under(current_, who, info_hash);
}

bool Tokens::valid(wire::Instant now, const wire::Address& who, const wire::Key& info_hash, wire::Bytes token,
                   wire::Rng& rng) {
  rotate(now, rng);
  const bool is_current = wire::equal_constant_time(token_under(current_, who, info_hash), token);
  const bool is_previous = wire::equal_constant_time(token_under(previous_, who, info_hash), token);
  return is_current || is_previous;
}

// Rotation happens when somebody looks: a node without visitors needs no timer. After a long silence both secrets go.
void Tokens::rotate(wire::Instant now, wire::Rng& rng) {
  if (now - rotated_ < rotation_) return;
  if (now - rotated_ < 2 * rotation_) {
    previous_ = current_;
    rotated_ += rotation_;
  } else {
    rng.fill(previous_);
    rotated_ = now;
  }
  rng.fill(current_);
}

}  // namespace lodestone::dht
