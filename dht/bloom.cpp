// SPDX-License-Identifier: Apache-2.0
#include "dht/bloom.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

#include "wire/base/hash.hpp"

namespace lodestone::dht {
namespace {

constexpr std::size_t kBits = BloomFilter::kSize * 8;
constexpr double kHashes = 2;

struct Bits {
  std::size_t first, second;
};

Bits bits_of(const wire::Address& address) {
  const wire::Sha1Digest h = wire::sha1(address.bytes());
  return {(h[0] | std::size_t{h[1]} << 8) % kBits, (h[2] | std::size_t{h[3]} << 8) % kBits};
}

std::uint8_t mask(std::size_t bit) { return static_cast<std::uint8_t>(1u << (bit % 8)); }

}  // namespace

void BloomFilter::insert(const wire::Address& address) {
  const Bits b = bits_of(address);
  bits_[b.first / 8] |= mask(b.first);
  bits_[b.second / 8] |= mask(b.second);
}

bool BloomFilter::may_contain(const wire::Address& address) const {
  const Bits b = bits_of(address);
  return (bits_[b.first / 8] & mask(b.first)) != 0 && (bits_[b.second / 8] & mask(b.second)) != 0;
}

bool BloomFilter::merge(wire::Bytes filter) {
  if (filter.size() != kSize) return false;
  for (std::size_t i = 0; i < kSize; ++i) bits_[i] |= filter[i];
  return true;
}

std::size_t BloomFilter::zero_bits() const {
  std::size_t ones = 0;
  for (const std::uint8_t octet : bits_) ones += static_cast<std::size_t>(std::popcount(octet));
  return kBits - ones;
}

double BloomFilter::estimate() const {
  const auto m = static_cast<double>(kBits);
  // The specification takes the empty filter for one with a bit set; for us it is empty. A full one has no answer: it
  // is taken for one with a single zero left.
  if (empty()) return 0;
  const auto zeros = static_cast<double>(std::max<std::size_t>(zero_bits(), 1));
  return std::log(zeros / m) / (kHashes * std::log1p(-1 / m));
}

double BloomFilter::standard_error() const {
  // Linear counting (Whang et al.): of kn balls in m urns the count is known to sqrt(m (e^t - t - 1)), t = kn / m.
  const auto m = static_cast<double>(kBits);
  const double t = kHashes * estimate() / m;
  return std::sqrt(m * (std::exp(t) - t - 1)) / kHashes;
}

bool Scrape::add(wire::Bytes seeds, wire::Bytes peers) {
  BloomFilter s, p;
  if (!s.merge(seeds) || !p.merge(peers)) return false;
  if (s.estimate() > BloomFilter::kMeaningful || p.estimate() > BloomFilter::kMeaningful) return false;
  seeds_.merge(s);
  peers_.merge(p);
  ++nodes_;
  return true;
}

BloomFilter Scrape::peers() const {
  BloomFilter all = peers_;
  for (const wire::Address& address : values_)
    if (!seeds_.may_contain(address)) all.insert(address);
  return all;
}

}  // namespace lodestone::dht
