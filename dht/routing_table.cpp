// SPDX-License-Identifier: Apache-2.0
#include "dht/routing_table.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <iterator>
#include <utility>

namespace lodestone::dht {
namespace {

constexpr std::size_t kWide[] = {128, 64, 32, 16, 8};
constexpr std::size_t kMaxBuckets = 160;

unsigned to_ms(wire::Duration rtt) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(rtt).count();
  return static_cast<unsigned>(std::clamp<std::int64_t>(ms, 1, 0xffff));
}

/// The n closest of what it is shown, in order. Compares 64 bits first; ties of those are for attackers and tests.
class Nearest {
 public:
  using Entry = RoutingTable::Entry;
  static constexpr std::size_t kMax = 32;

  Nearest(const wire::Key& target, std::span<const Entry*> out)
      : target_(target), prefix_(wire::load_be64(target.bytes().data())), out_(out) {
    assert(out.size() <= kMax);
  }
  /// Entries in order of ids: those that share most bits with the target are side by side, so that most of a wide
  /// bucket is never looked at.
  void show_all(const TableEntries& entries, bool good_only) { show_range(entries, 0, entries.size(), good_only); }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool full() const { return size_ == out_.size(); }

 private:
  // So few are compared one by one.
  static constexpr std::size_t kFew = 8;

  void show_range(const TableEntries& entries, std::size_t low, std::size_t high, bool good_only) {
    while (high - low > kFew) {
      // The half that agrees with the target in the first bit in which these differ is closer, all of it.
      const std::uint64_t first = entries[low].id_begin();
      const std::uint64_t differ = first ^ entries[high - 1].id_begin();
      if (differ == 0) break;
      const std::uint64_t bit = std::bit_floor(differ);
      const std::size_t middle = entries.first_not_below(low, high, (first | bit) & ~(bit - 1));
      if ((prefix_ & bit) != 0) {
        show_range(entries, middle, high, good_only);
        high = middle;
      } else {
        show_range(entries, low, middle, good_only);
        low = middle;
      }
      // What is left shares this bit and all before it.
      if (full() && ((entries[low].id_begin() ^ prefix_) & ~(bit - 1)) > keys_[size_ - 1]) return;
    }
    if (high - low <= kFew && show_few(entries, low, high, good_only)) return;
    for (std::size_t i = low; i < high; ++i)
      if (!good_only || entries[i].good()) show(entries[i].id_begin() ^ prefix_, entries[i]);
  }
  /// Nearly always they are all farther than those that are here. Each is put where as many are closer as there are,
  /// which takes more comparisons than show() but none that the processor would have to guess. False: not so, or 64
  /// bits do not tell them apart; nothing was done then.
  bool show_few(const TableEntries& entries, std::size_t low, std::size_t high, bool good_only) {
    std::array<std::uint64_t, kFew> keys;
    std::array<const Entry*, kFew> few;
    std::array<std::size_t, kFew> closer_ones{};
    const bool first = size_ == 0;
    const std::uint64_t last = first ? 0 : keys_[size_ - 1];
    std::size_t n = 0;
    bool fits = true;
    for (std::size_t i = low; i < high; ++i) {
      const std::uint64_t key = entries[i].id_begin() ^ prefix_;
      keys[n] = key;
      few[n] = &entries[i];
      const bool counts = !good_only || entries[i].good();
      fits &= first | (key > last) | !counts;
      n += counts;
    }
    for (std::size_t a = 1; a < n; ++a) {
      for (std::size_t b = 0; b < a; ++b) {
        const bool closer = keys[a] < keys[b];
        closer_ones[b] += closer;
        closer_ones[a] += !closer;
        fits &= keys[a] != keys[b];
      }
    }
    if (!fits) return false;
    for (std::size_t a = 0; a < n; ++a) {
      const std::size_t at = size_ + closer_ones[a];
      if (at >= out_.size()) continue;
      out_[at] = few[a];
      keys_[at] = keys[a];
    }
    size_ = std::min(size_ + n, out_.size());
    return true;
  }
  void show(std::uint64_t key, const Entry& e) {
    if (size_ == out_.size() && !before(key, e, size_ - 1)) return;
    std::size_t at = size_ < out_.size() ? size_++ : size_ - 1;
    for (; at > 0 && before(key, e, at - 1); --at) {
      out_[at] = out_[at - 1];
      keys_[at] = keys_[at - 1];
    }
    out_[at] = &e;
    keys_[at] = key;
  }
  [[nodiscard]] bool before(std::uint64_t key, const Entry& e, std::size_t at) const {
    return key != keys_[at] ? key < keys_[at] : wire::closer(target_, e.id(), out_[at]->id());
  }

  const wire::Key& target_;
  std::uint64_t prefix_;
  std::span<const Entry*> out_;
  std::array<std::uint64_t, kMax> keys_;  // [0, size_) is set
  std::size_t size_ = 0;
};

}  // namespace

RoutingTable::RoutingTable(wire::Instant now, wire::Family family, const wire::NodeId& own, int k, bool diverse)
    : start_(now), family_(family), own_(own), k_(static_cast<std::size_t>(k)), diverse_(diverse) {
  buckets_.emplace_back(family_);
}

std::uint32_t RoutingTable::stamp(wire::Instant now) const {
  // One second ahead of the truth, so that kLongAgo is before everything.
  const auto s = std::chrono::duration_cast<std::chrono::seconds>(now - start_).count();
  return static_cast<std::uint32_t>(std::max<std::int64_t>(s, 0) + 1);
}

std::size_t RoutingTable::capacity(std::size_t bucket) const {
  return bucket < std::size(kWide) ? std::max(kWide[bucket], k_) : k_;
}

std::size_t RoutingTable::bucket_of(const wire::NodeId& id) const {
  return std::min(static_cast<std::size_t>(wire::common_prefix(own_, id)), buckets_.size() - 1);
}

RoutingTable::Entry* RoutingTable::find_mutable(const wire::NodeId& id) {
  TableEntries& entries = buckets_[bucket_of(id)].entries;
  const std::size_t i = entries.place_of(id);
  return i < entries.size() && entries[i].has_id(id) ? &entries[i] : nullptr;
}

const RoutingTable::Entry* RoutingTable::find(const wire::NodeId& id) const {
  return const_cast<RoutingTable*>(this)->find_mutable(id);
}

const RoutingTable::Entry* RoutingTable::find(const wire::Endpoint& endpoint) const {
  for (const Bucket& b : buckets_)
    for (const Entry& e : b.entries)
      if (e.endpoint() == endpoint) return &e;
  return nullptr;
}

template <class Accept>
const RoutingTable::Entry* RoutingTable::rival(const Contact& contact, Accept&& accept) const {
  const std::size_t home = bucket_of(contact.id);
  const wire::Address prefix = contact.endpoint.address.diversity_prefix();
  const auto rivals = [&](const Entry& e, bool at_home) {
    const wire::Endpoint endpoint = e.endpoint();
    if (endpoint == contact.endpoint) return true;
    if (!diverse_) return false;
    return endpoint.address == contact.endpoint.address || (at_home && endpoint.address.diversity_prefix() == prefix);
  };
  // Asked for every stranger and over the whole table: whoever shares an address or a prefix shares its first 24 bits,
  // whatever the family.
  const std::uint32_t begin = wire::load_be32(prefix.bytes().data());
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    for (const Entry& e : buckets_[i].entries) {
      if ((e.address_begin() ^ begin) >> 8 != 0) continue;
      if (!e.has_id(contact.id) && rivals(e, i == home) && accept(e)) return &e;
    }
  }
  return nullptr;
}

RoutingTable::Use RoutingTable::use_for(const Contact& contact) const {
  if (contact.id == own_) return Use::known;
  if (const Entry* same = find(contact.id))
    return !same->good() && same->endpoint() != contact.endpoint ? Use::wanted : Use::known;
  // Somebody at the address of a contact claims another id: worth asking, for one of the two is gone.
  const auto stays = [&](const Entry& e) { return e.good() && e.endpoint() != contact.endpoint; };
  if (rival(contact, stays) != nullptr) return Use::crowded;
  const std::size_t home = bucket_of(contact.id);
  const Bucket& b = buckets_[home];
  const bool room = b.entries.size() < capacity(home) || home + 1 == buckets_.size() || b.spares.size() < max_spares();
  return room ? Use::wanted : Use::full;
}

RoutingTable::Outcome RoutingTable::answered(wire::Instant now, const Contact& contact, wire::Duration rtt,
                                             const ClientVersion& version) {
  if (contact.id == own_) return Outcome::refused;
  const std::uint32_t at = stamp(now);
  Entry* same = find_mutable(contact.id);
  if (same != nullptr && same->endpoint() == contact.endpoint) {
    const unsigned sample = to_ms(rtt);
    same->set_rtt_ms(same->rtt_ms() == 0 ? sample : (same->rtt_ms() * 7 + sample) / 8);
    same->last_seen = at;
    same->set_good(true);
    // Some leave it out now and then.
    if (is_known(version)) same->version = version;
    return Outcome::refreshed;
  }
  // One id at two addresses, two at one address: who has been here longer stays as long as it answers. Nobody goes
  // before it is certain that nobody else keeps the newcomer out.
  if (same != nullptr && same->good()) {
    ++dropped_.twin;
    return Outcome::refused;
  }
  const auto stays = [&](const Entry& e) { return e.good() && e.endpoint() != contact.endpoint; };
  if (rival(contact, stays) != nullptr) {
    ++dropped_.crowded;
    return Outcome::refused;
  }
  const std::size_t before = size_;
  if (same != nullptr) remove(contact.id);
  const auto any = [](const Entry&) { return true; };
  while (const Entry* other = rival(contact, any)) remove(other->id());
  dropped_.replaced += before - size_;
  NewTableEntry entry{contact, at, to_ms(rtt)};
  entry.version = version;
  return insert(entry);
}

RoutingTable::Outcome RoutingTable::insert(const Entry& entry) {
  const Contact contact = entry.contact();
  for (;;) {
    const std::size_t home = bucket_of(contact.id);
    Bucket& b = buckets_[home];
    b.spares.erase_if([&](const Entry& s) { return s.has_id(contact.id); });
    if (b.entries.size() < capacity(home)) {
      b.entries.insert_sorted(entry);
      ++size_;
      return Outcome::added;
    }
    const bool own = home + 1 == buckets_.size();
    if (own && buckets_.size() < kMaxBuckets) {
      split();
      // The new home may be a bucket in which the prefix is taken.
      if (rival(contact, [](const Entry&) { return true; }) != nullptr) {
        ++dropped_.crowded;
        return Outcome::refused;
      }
      continue;
    }
    keep_spare(b, entry);
    return Outcome::spare;
  }
}

void RoutingTable::move_to(const wire::NodeId& own) {
  std::vector<const Entry*> all;
  all.reserve(size_);
  for_each([&](const Entry& e) {
    if (!e.has_id(own)) all.push_back(&e);
  });
  // Who has been here longest goes first.
  std::stable_sort(all.begin(), all.end(), [](const auto* a, const auto* b) { return a->first_seen < b->first_seen; });
  const std::vector<Bucket> before = std::exchange(buckets_, {});
  const Dropped counted = dropped_;
  const std::size_t held = size_;
  own_ = own;
  size_ = 0;
  buckets_.emplace_back(family_);
  for (const Entry* e : all)
    if (rival(e->contact(), [](const Entry&) { return true; }) == nullptr) (void)insert(*e);
  dropped_ = counted;
  dropped_.moved += held - size_;
}

void RoutingTable::split() {
  const std::size_t depth = buckets_.size() - 1;
  // Nobody has looked into the deeper one yet (T6): a table that has just been filled gets to know its neighbourhood
  // at once.
  if (buckets_.size() == buckets_.capacity()) buckets_.reserve(buckets_.size() + 2);
  Bucket& deeper = buckets_.emplace_back(family_);
  Bucket& b = buckets_[depth];
  b.entries.erase_if([&](const Entry& e) {
    const bool goes = static_cast<std::size_t>(wire::common_prefix(own_, e.id())) != depth;
    if (goes) deeper.entries.push_back(e);  // they come in order
    return goes;
  });
  dropped_.spares += b.spares.size();
  b.spares.clear();
  trim(depth);
  // Narrower than its parent, the new one may be too full at birth. It is the own bucket now and splits in its turn.
  if (deeper.entries.size() <= capacity(depth + 1)) return;
  if (buckets_.size() < kMaxBuckets) return split();
  trim(depth + 1);
}

/// A bucket that was born too full keeps those that have been here longest; the others become spares.
void RoutingTable::trim(std::size_t bucket) {
  Bucket& b = buckets_[bucket];
  for (; b.entries.size() > capacity(bucket); --size_) {
    std::size_t youngest = 0;
    for (std::size_t i = 1; i < b.entries.size(); ++i) {
      const Entry &x = b.entries[youngest], &y = b.entries[i];
      if (x.first_seen != y.first_seen ? x.first_seen < y.first_seen : x.id() < y.id()) youngest = i;
    }
    ++dropped_.demoted;
    keep_spare(b, b.entries[youngest]);
    b.entries.erase(youngest);
  }
}

void RoutingTable::keep_spare(Bucket& bucket, const Entry& entry) {
  // Of the spares the one that answered fastest is promoted, the one heard of longest ago gives way.
  if (bucket.spares.size() >= max_spares()) {
    bucket.spares.erase(0);
    ++dropped_.spares;
  }
  bucket.spares.push_back(entry);
}

bool RoutingTable::failed(const Contact& contact) {
  Entry* e = find_mutable(contact.id);
  if (e == nullptr || e->endpoint() != contact.endpoint) {
    buckets_[bucket_of(contact.id)].spares.erase_if([&](const Entry& s) { return s.contact() == contact; });
    return false;
  }
  if (!e->good()) return evict(contact);
  e->set_good(false);
  return false;
}

bool RoutingTable::evict(const Contact& contact) {
  const std::size_t home = bucket_of(contact.id);
  buckets_[home].spares.erase_if([&](const Entry& s) { return s.contact() == contact; });
  const Entry* e = find(contact.id);
  if (e == nullptr || e->endpoint() != contact.endpoint) return false;
  remove(contact.id);
  promote(home);
  return true;
}

void RoutingTable::remove(const wire::NodeId& id) {
  size_ -= buckets_[bucket_of(id)].entries.erase_if([&](const Entry& e) { return e.has_id(id); });
}

void RoutingTable::promote(std::size_t bucket) {
  Bucket& b = buckets_[bucket];
  while (!b.spares.empty() && b.entries.size() < capacity(bucket)) {
    std::size_t best = 0;
    for (std::size_t i = 1; i < b.spares.size(); ++i)
      if (b.spares[i].rtt_ms() < b.spares[best].rtt_ms()) best = i;
    const Contact spare = b.spares[best].contact();
    if (find(spare.id) == nullptr && rival(spare, [](const Entry&) { return true; }) == nullptr) {
      b.entries.insert_sorted(b.spares[best]);
      ++size_;
    }
    b.spares.erase(best);
  }
}

std::size_t RoutingTable::closest(const wire::Key& target, std::span<const Entry*> out, bool good_only) const {
  if (out.empty()) return 0;
  if (out.size() > Nearest::kMax) return closest_of_all(target, out, good_only);
  Nearest nearest{target, out};
  const auto scan = [&](const Bucket& b) { nearest.show_all(b.entries, good_only); };
  // Seen from the target the buckets are groups in strict order of distance: the one the target falls into, then all
  // deeper ones together, then the shallower ones one by one.
  const std::size_t last = buckets_.size() - 1;
  const std::size_t home = std::min(static_cast<std::size_t>(wire::common_prefix(own_, target)), last);
  scan(buckets_[home]);
  if (!nearest.full())
    for (std::size_t i = home + 1; i <= last; ++i) scan(buckets_[i]);
  for (std::size_t i = home; i-- > 0 && !nearest.full();) scan(buckets_[i]);
  return nearest.size();
}

std::size_t RoutingTable::closest_of_all(const wire::Key& target, std::span<const Entry*> out, bool good_only) const {
  std::vector<const Entry*> all;
  for_each([&](const Entry& e) {
    if (!good_only || e.good()) all.push_back(&e);
  });
  const std::size_t n = std::min(all.size(), out.size());
  std::partial_sort_copy(all.begin(), all.end(), out.begin(), out.begin() + static_cast<std::ptrdiff_t>(n),
                         [&](const Entry* a, const Entry* b) { return wire::closer(target, a->id(), b->id()); });
  return n;
}

bool RoutingTable::is_neighbour(const wire::NodeId& id) const {
  // Most are far away, and this is asked for every stranger. The own bucket and the one before it hold k nearly always.
  if (static_cast<std::size_t>(wire::common_prefix(own_, id)) + 2 < buckets_.size()) return false;
  std::array<const Entry*, Nearest::kMax> nearest;
  const wire::Key own{own_.bytes()};
  const std::size_t wanted = std::min(k_, nearest.size());
  const std::size_t n = closest(own, {nearest.data(), wanted}, true);
  return n < wanted || !wire::closer(own, nearest[n - 1]->id(), id);
}

void RoutingTable::note_lookup(wire::Instant now, const wire::Key& target) {
  buckets_[bucket_of(wire::NodeId{target.bytes()})].looked_up = stamp(now);
}

void RoutingTable::look_again(const wire::Key& target) {
  const std::size_t bucket = bucket_of(wire::NodeId{target.bytes()});
  if (buckets_[bucket].entries.size() < capacity(bucket)) buckets_[bucket].looked_up = kLongAgo;
}

void RoutingTable::mark_all_stale() {
  for (std::size_t i = 0; i < buckets_.size(); ++i)
    if (i + 1 < buckets_.size() || buckets_.size() == 1) buckets_[i].looked_up = kLongAgo;
}

std::optional<wire::Key> RoutingTable::stale_bucket(wire::Instant now, wire::Duration age, wire::Rng& rng) const {
  const auto oldest = std::min_element(buckets_.begin(), buckets_.end(),
                                       [](const Bucket& a, const Bucket& b) { return a.looked_up < b.looked_up; });
  const bool due = oldest->looked_up == kLongAgo || std::chrono::seconds(stamp(now) - oldest->looked_up) >= age;
  if (!due) return std::nullopt;
  return random_key(static_cast<std::size_t>(oldest - buckets_.begin()), rng);
}

wire::Instant RoutingTable::next_due(wire::Duration age) const {
  std::uint32_t oldest = 0xffffffff;
  for (const Bucket& b : buckets_) {
    oldest = std::min(oldest, b.looked_up);
    for (const Entry& e : b.entries) oldest = std::min(oldest, e.good() ? e.last_seen : kLongAgo);
  }
  if (oldest == kLongAgo) return start_;
  return start_ + std::chrono::seconds(oldest) + age;
}

wire::Key RoutingTable::random_key_near(const Contact& contact, wire::Rng& rng) const {
  return random_key(bucket_of(contact.id), rng);
}

wire::Key RoutingTable::random_key(std::size_t bucket, wire::Rng& rng) const {
  auto key = rng.id<wire::Key>();
  // Our own prefix of `bucket` bits; then, unless it is the own bucket, the other bit.
  const auto set_bit = [&](std::size_t i, bool v) {
    const auto mask = static_cast<std::uint8_t>(0x80 >> (i % 8));
    auto& byte = key.bytes()[i / 8];
    byte = static_cast<std::uint8_t>(v ? byte | mask : byte & ~mask);
  };
  const auto own_bit = [&](std::size_t i) { return (own_.bytes()[i / 8] >> (7 - i % 8) & 1) != 0; };
  for (std::size_t i = 0; i < bucket; ++i) set_bit(i, own_bit(i));
  if (bucket + 1 < buckets_.size()) set_bit(bucket, !own_bit(bucket));
  return key;
}

std::size_t RoutingTable::spare_count() const {
  std::size_t n = 0;
  for (const Bucket& b : buckets_) n += b.spares.size();
  return n;
}

std::size_t RoutingTable::bytes() const {
  std::size_t n = buckets_.capacity() * sizeof(Bucket);
  for (const Bucket& b : buckets_) n += b.entries.bytes() + b.spares.bytes();
  return n;
}

void RoutingTable::check_invariants() const {
  const auto all_different = [](auto& values) {
    std::sort(values.begin(), values.end());
    return std::adjacent_find(values.begin(), values.end()) == values.end();
  };
  std::vector<wire::NodeId> ids;
  std::vector<wire::Endpoint> endpoints;
  std::vector<wire::Address> addresses;
  std::vector<wire::Address> prefixes;
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    const Bucket& b = buckets_[i];
    assert(b.entries.size() <= capacity(i) && b.spares.size() <= max_spares());
    prefixes.clear();
    for (std::size_t at = 1; at < b.entries.size(); ++at) assert(b.entries[at - 1].id() < b.entries[at].id());
    for (const Entry& e : b.entries) {
      const Contact c = e.contact();
      assert(c.endpoint.family() == family_ && c.id != own_ && bucket_of(c.id) == i);
      ids.push_back(c.id);
      endpoints.push_back(c.endpoint);
      addresses.push_back(c.endpoint.address);
      prefixes.push_back(c.endpoint.address.diversity_prefix());
    }
    assert(!diverse_ || all_different(prefixes));
  }
  assert(ids.size() == size_ && all_different(ids) && all_different(endpoints));
  assert(!diverse_ || all_different(addresses));
  (void)all_different;
}

}  // namespace lodestone::dht
