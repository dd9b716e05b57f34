// SPDX-License-Identifier: Apache-2.0
#include "dht/contact_store.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>

#include "dht/node_id_security.hpp"

namespace lodestone::dht {
namespace {

// Longer than most sessions last that end at all soon: whoever was silent for longer is asked before he is used.
constexpr wire::Duration kTrustSaved = std::chrono::hours(2);
constexpr std::size_t kMaxClosest = 32;
// How far around its own place a newcomer looks for one that has failed, when there is no room.
constexpr int kNeighbours = 16;

wire::Key key_of(const std::uint8_t* r) { return *wire::Key::from_bytes({r, wire::Key::kSize}); }

/// The smallest key that shares its first `bits` bits with that one.
wire::Key first_of_prefix(const wire::Key& key, int bits) {
  wire::Key low = key;
  const auto byte = static_cast<std::size_t>(bits / 8);
  if (byte >= wire::Key::kSize) return low;
  low.bytes()[byte] = static_cast<std::uint8_t>(low.bytes()[byte] & ~(0xff >> (bits % 8)));
  std::fill(low.bytes().begin() + static_cast<std::ptrdiff_t>(byte) + 1, low.bytes().end(), std::uint8_t{0});
  return low;
}

}  // namespace

ContactStore::ContactStore(wire::Instant start, const wire::NodeId& own, const Settings& settings, wire::Rng& rng)
    : start_(start), own_(own), settings_(settings), records_(Contact::compact_size(settings.family) + kTail) {
  rng.fill(secret_);
  rng.fill(cursor_.bytes());
}

// --- records ---

std::uint32_t ContactStore::stamp(wire::Instant now) const {
  const auto s = std::chrono::duration_cast<std::chrono::seconds>(now - start_).count();
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(s + kEpoch, 0, 0xffff'ffff));
}

wire::Duration ContactStore::silence_of(wire::Instant now, const std::uint8_t* r) const {
  const std::uint32_t seen = wire::load_be32(tail(r));
  const std::uint32_t at = stamp(now);
  return std::chrono::seconds(at > seen ? at - seen : 0);
}

bool ContactStore::same_endpoint(const std::uint8_t* r, const Contact& contact) const {
  std::array<std::uint8_t, wire::Endpoint::compact_size(wire::Family::v6)> raw;
  const std::size_t n = contact.endpoint.write_compact(raw.data());
  return std::memcmp(r + wire::NodeId::kSize, raw.data(), n) == 0;
}

void ContactStore::write(std::uint8_t* r, const Contact& contact, std::uint32_t seen, wire::Duration rtt,
                         std::uint8_t state) {
  contact.write_compact(r);
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(rtt).count();
  wire::store_be32(tail(r), seen);
  wire::store_be16(tail(r) + 4, static_cast<std::uint16_t>(std::clamp<std::int64_t>(ms, 0, 0xffff)));
  tail(r)[6] = state;
}

// --- prefixes ---

std::uint64_t ContactStore::prefix_hash(const wire::Endpoint& endpoint) const {
  return wire::siphash(secret_, endpoint.address.diversity_prefix().bytes());
}

std::uint8_t& ContactStore::count_of(const wire::Endpoint& endpoint) {
  return per_prefix_[prefix_hash(endpoint) & (per_prefix_.size() - 1)];
}

void ContactStore::recount() {
  // At least as many counters as nodes: four strangers seldom share one, and a byte or two a node is what it may cost.
  per_prefix_.assign(std::bit_ceil(std::max<std::size_t>(16, records_.size() + 2)), 0);
  per_prefix_.shrink_to_fit();
  records_.for_each([&](const std::uint8_t* r) { ++count_of(contact_of(r).endpoint); });
}

// --- coming and going ---

bool ContactStore::answered(wire::Instant now, const Contact& contact, wire::Duration rtt) {
  if (settings_.capacity == 0 || contact.id == own_) return false;
  assert(contact.endpoint.family() == settings_.family);
  const wire::Key key{contact.id.bytes()};
  if (std::uint8_t* const r = records_.find(key)) {
    if (!same_endpoint(r, contact)) {
      // One id at two addresses: who was here first stays as long as it answers.
      if (good(r)) return false;
      remove(key);
      return insert(contact, stamp(now), rtt, 0);
    }
    good_ += good(r) ? 0 : 1;
    write(r, contact, stamp(now), rtt, 0);
    return true;
  }
  return insert(contact, stamp(now), rtt, 0);
}

bool ContactStore::restore(wire::Instant now, const Contact& contact, wire::Duration silence) {
  if (settings_.capacity == 0 || contact.id == own_ || contact.endpoint.family() != settings_.family) return false;
  if (has(contact.id)) return false;
  silence = std::max(silence, wire::Duration::zero());
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(silence).count();
  const std::uint32_t at = stamp(now);
  const auto seen = static_cast<std::uint32_t>(at - std::min<std::int64_t>(seconds, at));
  return insert(contact, seen, wire::Duration::zero(), silence > kTrustSaved ? kFailed : 0);
}

bool ContactStore::insert(const Contact& contact, std::uint32_t seen, wire::Duration rtt, std::uint8_t state) {
  if (settings_.diverse) {
    if (records_.size() >= per_prefix_.size()) recount();
    if (count_of(contact.endpoint) >= kPerPrefix) {
      ++dropped_.crowded;
      return false;
    }
  }
  const wire::Key key{contact.id.bytes()};
  if (full() && !make_room(key)) {
    ++dropped_.no_room;
    return false;
  }
  write(records_.insert(key), contact, seen, rtt, state);
  if (settings_.diverse) ++count_of(contact.endpoint);
  good_ += state == 0;
  return true;
}

bool ContactStore::make_room(const wire::Key& key) {
  std::optional<wire::Key> victim;
  int looked_at = 0;
  records_.for_each_from(key, [&](const std::uint8_t* r) {
    if (!good(r)) victim = key_of(r);
    return !victim && ++looked_at < kNeighbours;
  });
  if (!victim) return false;
  remove(*victim);
  ++dropped_.displaced;
  return true;
}

void ContactStore::remove(const wire::Key& key) {
  const std::uint8_t* const r = records_.find(key);
  good_ -= good(r) ? 1 : 0;
  if (settings_.diverse) --count_of(contact_of(r).endpoint);
  records_.erase(key);
}

void ContactStore::failed(const Contact& contact) {
  const wire::Key key{contact.id.bytes()};
  std::uint8_t* const r = records_.find(key);
  if (r == nullptr || !same_endpoint(r, contact)) return;
  if (!good(r)) {
    remove(key);
    ++dropped_.silent;
    return;
  }
  --good_;
  tail(r)[6] = kFailed;
}

bool ContactStore::evict(const Contact& contact) {
  const wire::Key key{contact.id.bytes()};
  const std::uint8_t* const r = records_.find(key);
  if (r == nullptr || !same_endpoint(r, contact)) return false;
  remove(key);
  ++dropped_.impostor;
  return true;
}

void ContactStore::move_to(const wire::NodeId& own) {
  own_ = own;
  if (has(own)) remove(wire::Key{own.bytes()});
}

// --- asking ---

std::size_t ContactStore::closest(const wire::Key& target, std::span<Contact> out, bool verified_only) const {
  struct Found {
    const std::uint8_t* record;
    wire::Distance distance;
    wire::Address prefix;
  };
  std::array<Found, kMaxClosest> found;
  std::size_t n = 0;
  const std::size_t wanted = std::min(out.size(), kMaxClosest);
  if (wanted == 0 || records_.empty()) return 0;
  const auto consider = [&](const std::uint8_t* r) {
    if (!good(r)) return;
    const wire::Distance d = wire::distance(target, key_of(r));
    if (n == wanted && d >= found[n - 1].distance) return;
    const Contact contact = contact_of(r);
    if (verified_only && !id_matches(contact.id, contact.endpoint.address)) return;
    const wire::Address prefix = contact.endpoint.address.diversity_prefix();
    if (settings_.diverse) {
      const auto same = std::find_if(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(n),
                                     [&](const Found& f) { return f.prefix == prefix; });
      if (same != found.begin() + static_cast<std::ptrdiff_t>(n)) {
        if (same->distance <= d) return;
        std::move(same + 1, found.begin() + static_cast<std::ptrdiff_t>(n), same);
        --n;
      }
    }
    std::size_t at = n < wanted ? n++ : n - 1;
    for (; at > 0 && d < found[at - 1].distance; --at) found[at] = found[at - 1];
    found[at] = {r, d, prefix};
  };
  // All that share a prefix with the target are closer than all others, and lie side by side. Ids are random, so that
  // the prefix below which there are enough is about this long; where they are not, it is made shorter.
  int bits = std::min(159, static_cast<int>(std::bit_width(records_.size() / wanted)));
  for (;; --bits) {
    n = 0;
    records_.for_each_from(first_of_prefix(target, bits), [&](const std::uint8_t* r) {
      if (wire::common_prefix(target, key_of(r)) < bits) return false;
      consider(r);
      return true;
    });
    if (n == wanted || bits == 0) break;
  }
  for (std::size_t i = 0; i < n; ++i) out[i] = contact_of(found[i].record);
  return n;
}

std::optional<Contact> ContactStore::walk(wire::Instant now, wire::Duration silence, std::size_t steps) {
  for (steps = std::min(steps, records_.size()); steps > 0; --steps) {
    std::uint8_t* r = records_.at_least(cursor_);
    if (r == nullptr) r = records_.at_least(wire::Key{});
    cursor_ = key_of(r);
    for (std::size_t i = wire::Key::kSize; i-- > 0 && ++cursor_.bytes()[i] == 0;) {
    }
    if ((tail(r)[6] & kAsked) != 0 || (good(r) && silence_of(now, r) < silence)) continue;
    tail(r)[6] |= kAsked;
    return contact_of(r);
  }
  return std::nullopt;
}

wire::Key ContactStore::key_near(const wire::NodeId& id, wire::Rng& rng) const {
  // A node knows its neighbourhood ever better. Where our own knowledge thins out it has eight nodes to name, and other
  // ones for each other key.
  const int shared = static_cast<int>(std::bit_width(records_.size() / 4));
  auto key = rng.id<wire::Key>();
  for (int bit = 0; bit < shared; ++bit) {
    const auto byte = static_cast<std::size_t>(bit / 8);
    const auto mask = static_cast<std::uint8_t>(0x80 >> (bit % 8));
    key.bytes()[byte] = static_cast<std::uint8_t>((key.bytes()[byte] & ~mask) | (id.bytes()[byte] & mask));
  }
  return key;
}

void ContactStore::check_invariants() const {
  records_.check_invariants();
  assert(size() <= settings_.capacity || settings_.capacity == 0);
  std::size_t good_ones = 0;
  std::vector<std::uint8_t> counts(per_prefix_.size(), 0);
  records_.for_each([&](const std::uint8_t* r) {
    good_ones += good(r);
    const Contact contact = contact_of(r);
    assert(contact.id != own_);
    if (settings_.diverse) ++counts[prefix_hash(contact.endpoint) & (counts.size() - 1)];
  });
  assert(good_ones == good_);
  assert(!settings_.diverse || counts == per_prefix_);
  (void)good_ones;
}

}  // namespace lodestone::dht
