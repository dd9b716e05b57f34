// SPDX-License-Identifier: Apache-2.0
#include "wire/base/rng.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

#include <sodium/crypto_stream_chacha20.h>

namespace lodestone::wire {

static_assert(std::tuple_size_v<Rng::Seed> == crypto_stream_chacha20_KEYBYTES);

Rng::Rng(const Seed& seed) : key_(seed), used_(sizeof(pool_)), pool_{} {}

Rng Rng::from_number(std::uint64_t number) {
  // SplitMix64 spreads neighbouring numbers into unrelated seeds; ChaCha20 does the rest.
  Seed seed;
  for (std::size_t i = 0; i < seed.size(); i += 8) {
    number += 0x9e3779b97f4a7c15ULL;
    std::uint64_t z = number;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    store_be64(seed.data() + i, z ^ (z >> 31));
  }
  return Rng{seed};
}

Rng Rng::fork() {
  Seed seed;
  fill(seed);
  return Rng{seed};
}

void Rng::refill() {
  // Each refill is a stream of its own: the counter is the nonce, so no position inside a stream has to be kept.
  std::array<std::uint8_t, crypto_stream_chacha20_NONCEBYTES> nonce;
  static_assert(crypto_stream_chacha20_NONCEBYTES == 8);
  store_be64(nonce.data(), block_++);
  crypto_stream_chacha20(pool_.data(), pool_.size(), nonce.data(), key_.data());
  used_ = 0;
}

void Rng::fill(MutableBytes out) {
  std::size_t done = 0;
  while (done < out.size()) {
    if (used_ == pool_.size()) refill();
    const std::size_t n = std::min(out.size() - done, pool_.size() - used_);
    std::memcpy(out.data() + done, pool_.data() + used_, n);
    used_ += n;
    done += n;
  }
}

std::uint64_t Rng::next() {
  std::array<std::uint8_t, 8> raw;
  fill(raw);
  return load_be64(raw.data());
}

std::uint64_t Rng::below(std::uint64_t bound) {
  assert(bound > 0);
  // The high word of a 64 x 64 product is uniform once the low words that would favour some results are drawn again.
  __extension__ using Wide = unsigned __int128;
  Wide product = Wide{next()} * bound;
  if (static_cast<std::uint64_t>(product) < bound) {
    const std::uint64_t threshold = (0 - bound) % bound;
    while (static_cast<std::uint64_t>(product) < threshold) product = Wide{next()} * bound;
  }
  return static_cast<std::uint64_t>(product >> 64);
}

double Rng::unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

}  // namespace lodestone::wire
