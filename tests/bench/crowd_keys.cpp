// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/crowd_keys.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <stdexcept>

#include "dht/node_id_security.hpp"
#include "wire/base/bytes.hpp"
#include "wire/base/rng.hpp"

namespace lodestone::bench {
namespace {

constexpr std::uint32_t kRange = 44u << 24;
constexpr std::size_t kPrefixes = 1u << 18;  // /24s in a /6
constexpr CrowdKeys::Index kNobody = ~CrowdKeys::Index{0};
constexpr std::array<CrowdKeys::Index, 4> kWideBuckets{128, 64, 32, 16};
constexpr int kBuckets = 64;

CrowdKeys::Index capacity_of(int bucket) {
  return bucket < static_cast<int>(kWideBuckets.size()) ? kWideBuckets[static_cast<std::size_t>(bucket)]
                                                        : static_cast<CrowdKeys::Index>(CrowdKeys::kClosest);
}

/// The finalizer of SplitMix64: whatever goes in, the bits that come out look independent.
std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

template <class Tag>
std::uint64_t key_of(const wire::Id160<Tag>& id) {
  return std::uint64_t{wire::load_be32(id.bytes().data())} << 32 | wire::load_be32(id.bytes().data() + 4);
}

}  // namespace

CrowdKeys::CrowdKeys(std::size_t living, double dead, std::uint16_t port, std::uint64_t seed) : seed_(seed) {
  if (living == 0 || !(dead >= 0 && dead < 1)) throw std::invalid_argument("a crowd needs somebody who is alive");
  const double all = std::round(static_cast<double>(living) / (1 - dead));
  if (all > static_cast<double>(kPrefixes)) throw std::invalid_argument("there is no /24 left for so many nodes");

  auto rng = wire::Rng::from_number(seed);
  std::vector<std::uint32_t> prefixes(kPrefixes);
  std::iota(prefixes.begin(), prefixes.end(), 0u);
  rng.shuffle(prefixes);
  nodes_.resize(static_cast<std::size_t>(all));
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    // Any host of the /24: with a fixed one BEP 42 would leave ids so few beginnings that they stood in clumps.
    const auto host = static_cast<std::uint32_t>(1 + rng.below(254));
    const auto address = wire::Address::v4(kRange | prefixes[i] << 8 | host);
    nodes_[i] = {{dht::derive_id(address, rng), {address, port}}, i < living};
  }
  std::sort(nodes_.begin(), nodes_.end(), [](const Node& a, const Node& b) { return a.contact.id < b.contact.id; });

  by_prefix_.assign(kPrefixes, kNobody);
  living_before_.push_back(0);
  for (Index i = 0; i < nodes_.size(); ++i) {
    keys_.push_back(key_of(nodes_[i].contact.id));
    living_before_.push_back(living_before_.back() + (nodes_[i].alive ? 1 : 0));
    by_prefix_[wire::load_be32(nodes_[i].contact.endpoint.address.bytes().data()) >> 8 & (kPrefixes - 1)] = i;
  }
}

std::optional<CrowdKeys::Index> CrowdKeys::at(const wire::Address& address) const {
  if (!address.is_v4()) return std::nullopt;
  const Index i = by_prefix_[wire::load_be32(address.bytes().data()) >> 8 & (kPrefixes - 1)];
  if (i == kNobody || nodes_[i].contact.endpoint.address != address) return std::nullopt;
  return i;
}

CrowdKeys::Range CrowdKeys::sharing(std::uint64_t key, int bits) const {
  const std::uint64_t rest = bits == 0 ? ~std::uint64_t{0} : (std::uint64_t{1} << (kBuckets - bits)) - 1;
  const auto first = std::lower_bound(keys_.begin(), keys_.end(), key & ~rest);
  const auto last = std::upper_bound(first, keys_.end(), key | rest);
  return {static_cast<Index>(first - keys_.begin()), static_cast<Index>(last - keys_.begin())};
}

void CrowdKeys::append_bucket(Index node, int bucket, const Range& range, std::vector<Index>& out) const {
  const Index n = std::min(range.size(), capacity_of(bucket));
  for (Index j = 0; j < n; ++j) {
    // One of each n-th part of the range: no contact twice, and no need to remember which were taken.
    const auto from = static_cast<Index>(std::uint64_t{range.size()} * j / n);
    const auto to = static_cast<Index>(std::uint64_t{range.size()} * (j + 1) / n);
    const std::uint64_t choice = mix(mix(mix(seed_ ^ node) ^ static_cast<std::uint64_t>(bucket)) ^ j);
    out.push_back(range.first + from + static_cast<Index>(choice % (to - from)));
  }
}

std::vector<CrowdKeys::Index> CrowdKeys::closest_known(Index node, const wire::Key& target) const {
  const std::uint64_t own = keys_[node];
  const auto append = [&](int bucket, std::vector<Index>& out) {
    append_bucket(node, bucket, sharing(own ^ std::uint64_t{1} << (kBuckets - 1 - bucket), bucket + 1), out);
  };
  std::vector<Index> out;
  // The bucket that the target belongs to holds the closest, those behind it are the next, then those before it.
  const int home = std::min(wire::common_prefix(nodes_[node].contact.id, target), kBuckets - 1);
  append(home, out);
  if (out.size() < kClosest) {
    for (int bucket = home + 1; bucket < kBuckets && sharing(own, bucket).size() > 1; ++bucket) append(bucket, out);
  }
  for (int bucket = home - 1; bucket >= 0 && out.size() < kClosest; --bucket) append(bucket, out);
  const auto n = static_cast<std::ptrdiff_t>(std::min(out.size(), kClosest));
  std::partial_sort(out.begin(), out.begin() + n, out.end(),
                    [&](Index a, Index b) { return wire::closer(target, nodes_[a].contact.id, nodes_[b].contact.id); });
  out.resize(static_cast<std::size_t>(n));
  return out;
}

bool CrowdKeys::stores(Index node, const wire::Key& target) const {
  if (!nodes_[node].alive) return false;
  const std::uint64_t key = key_of(target);
  int bits = 0;
  while (bits < kBuckets - 1 && living_in(sharing(key, bits + 1)) >= kClosest) ++bits;
  const Range range = sharing(key, bits);
  if (node < range.first || node >= range.last) return false;
  std::size_t closer_ones = 0;
  for (Index i = range.first; i < range.last; ++i)
    closer_ones += nodes_[i].alive && wire::closer(target, nodes_[i].contact.id, nodes_[node].contact.id);
  return closer_ones < kClosest;
}

}  // namespace lodestone::bench
