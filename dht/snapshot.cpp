// SPDX-License-Identifier: Apache-2.0
#include "dht/snapshot.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <limits>
#include <tuple>

#include "dht/contact.hpp"
#include "wire/base/bencode.hpp"

namespace lodestone::dht {
namespace {

constexpr std::int64_t kFormat = 1;
constexpr std::size_t kTimeSize = 8;
constexpr std::size_t kRttSize = 2;
constexpr std::size_t kStoreTimeSize = 4;
constexpr std::size_t kVersionSize = std::tuple_size_v<ClientVersion>;
constexpr std::size_t kMaxCounterNames = 1'024;  // a later version may have many more
constexpr std::size_t kMaxCached = 4'096;        // bytes of nodes or peers of a lookup

std::optional<SavedContact> read_contact(Bytes raw) {
  for (const Family family : {Family::v4, Family::v6}) {
    const std::size_t size = Contact::compact_size(family);
    if (raw.size() != size + kTimeSize) continue;
    const Contact c = Contact::read_compact(raw.data(), family);
    const auto last_seen = static_cast<UnixSeconds>(wire::load_be64(raw.data() + size));
    if (c.endpoint.port == 0 || last_seen < 0) return std::nullopt;
    return SavedContact{c.id, c.endpoint, last_seen, {}, false, {}};
  }
  return std::nullopt;
}

wire::ByteVector pack_store(const std::vector<SavedContact>& store, Family family) {
  wire::ByteVector out;
  std::size_t n = 0;
  for (const SavedContact& c : store) {
    if (c.endpoint.family() != family || ++n > kMaxSavedStore) continue;
    std::array<std::uint8_t, Contact::compact_size(Family::v6) + kStoreTimeSize> raw;
    const std::size_t size = Contact{c.id, c.endpoint}.write_compact(raw.data());
    wire::store_be32(raw.data() + size,
                     static_cast<std::uint32_t>(std::clamp<UnixSeconds>(c.last_seen, 0, 0xffff'ffff)));
    std::copy_n(raw.begin(), size + kStoreTimeSize, std::back_inserter(out));
  }
  return out;
}

void unpack_store(Bytes raw, Family family, std::vector<SavedContact>& out) {
  const std::size_t size = Contact::compact_size(family) + kStoreTimeSize;
  if (raw.size() % size != 0 || raw.size() / size > kMaxSavedStore) return;
  out.reserve(out.size() + raw.size() / size);
  for (; !raw.empty(); raw = raw.subspan(size)) {
    const Contact c = Contact::read_compact(raw.data(), family);
    if (c.endpoint.port == 0) continue;
    out.push_back({c.id, c.endpoint, wire::load_be32(raw.data() + size - kStoreTimeSize), {}, false});
  }
}

std::optional<SavedLookup> read_lookup(const wire::bencode::View& item) {
  if (!item.is_dict()) return std::nullopt;
  const auto hash = Key::from_bytes(item.find_string("h").value_or(Bytes{}));
  const auto at = item.find_integer("at");
  const Bytes nodes = item.find_string("n").value_or(Bytes{});
  const Bytes peers = item.find_string("p").value_or(Bytes{});
  if (!hash || !at || *at < 0 || nodes.size() > kMaxCached || peers.size() > kMaxCached) return std::nullopt;
  return SavedLookup{*hash, *at, {nodes.begin(), nodes.end()}, {peers.begin(), peers.end()}};
}

void write_counters(const Counters& counters, wire::bencode::Writer& w) {
  std::array<const CounterInfo*, kCounters.size()> by_name;
  std::transform(kCounters.begin(), kCounters.end(), by_name.begin(), [](const CounterInfo& i) { return &i; });
  std::sort(by_name.begin(), by_name.end(), [](const auto* a, const auto* b) { return a->name < b->name; });
  w.key("counters").begin_dict();
  for (const CounterInfo* info : by_name) {
    constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();
    w.key(info->name).integer(static_cast<std::int64_t>(std::min(counters.*info->value, kMost)));
  }
  w.end();
}

/// Those that it does not have are zero, those that we do not have are passed over.
std::optional<SavedCounters> read_counters(const wire::bencode::View& root) {
  const auto since = root.find_integer("since");
  const auto dict = root.find_dict("counters");
  if (!since || *since < 0 || !dict) return std::nullopt;
  SavedCounters out{*since, {}};
  for (const CounterInfo& info : kCounters) {
    const std::int64_t n = dict->find_integer(info.name).value_or(0);
    out.counters.*info.value = static_cast<std::uint64_t>(std::max<std::int64_t>(n, 0));
  }
  return out;
}

std::uint16_t milliseconds(Duration rtt) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(rtt).count();
  // A reply within a millisecond is not an unknown one.
  return rtt <= Duration::zero() ? std::uint16_t{0}
                                 : static_cast<std::uint16_t>(std::clamp<std::int64_t>(ms, 1, 0xffff));
}

}  // namespace

std::string_view describe(SnapshotError e) {
  switch (e) {
    case SnapshotError::too_large: return "too large for a DHT snapshot";
    case SnapshotError::not_bencode: return "not bencode";
    case SnapshotError::not_a_snapshot: return "not a DHT snapshot";
    case SnapshotError::unknown_format: return "a DHT snapshot of another format";
    case SnapshotError::bad_id: return "the node id is missing or not 20 bytes";
  }
  return "unknown error";
}

wire::ByteVector encode(const Snapshot& snapshot) {
  wire::ByteVector out;
  wire::bencode::Writer w{out};
  w.begin_dict().key("contacts").begin_list();
  const std::size_t n = std::min(snapshot.contacts.size(), kMaxSavedContacts);
  wire::ByteVector failed(n), rtts(n * kRttSize), versions(n * kVersionSize);
  for (std::size_t i = 0; i < n; ++i) {
    const SavedContact& c = snapshot.contacts[i];
    std::array<std::uint8_t, Contact::compact_size(Family::v6) + kTimeSize> raw;
    const std::size_t size = Contact{c.id, c.endpoint}.write_compact(raw.data());
    wire::store_be64(raw.data() + size, static_cast<std::uint64_t>(std::max<UnixSeconds>(c.last_seen, 0)));
    w.string(Bytes{raw.data(), size + kTimeSize});
    failed[i] = c.failed ? 1 : 0;
    wire::store_be16(rtts.data() + i * kRttSize, milliseconds(c.rtt));
    std::copy(c.version.begin(), c.version.end(), versions.data() + i * kVersionSize);
  }
  w.end();
  if (snapshot.run) write_counters(snapshot.run->counters, w);
  w.key("failed").string(failed).key("format").integer(kFormat).key("id").string(snapshot.id.view());
  w.key("lookups").begin_list();
  for (std::size_t i = 0; i < std::min(snapshot.lookups.size(), kMaxSavedLookups); ++i) {
    const SavedLookup& l = snapshot.lookups[i];
    w.begin_dict().key("at").integer(std::max<UnixSeconds>(l.at, 0)).key("h").string(l.info_hash.view());
    w.key("n").string(Bytes{l.nodes}).key("p").string(Bytes{l.peers}).end();
  }
  w.end().key("rtt").string(rtts).key("saved").integer(std::max<UnixSeconds>(snapshot.saved, 0));
  if (snapshot.run) w.key("since").integer(std::max<UnixSeconds>(snapshot.run->since, 0));
  for (const Family family : {Family::v4, Family::v6}) {
    const wire::ByteVector store = pack_store(snapshot.store, family);
    if (!store.empty()) w.key(family == Family::v4 ? "store4" : "store6").string(Bytes{store});
  }
  w.key("v").string(versions);
  w.end();
  return out;
}

std::expected<Snapshot, SnapshotError> decode(Bytes raw) {
  if (raw.size() > kMaxSnapshotBytes) return std::unexpected(SnapshotError::too_large);
  wire::bencode::Limits limits = wire::bencode::Limits::wire();
  limits.tokens = kMaxSavedContacts + 10 * kMaxSavedLookups + 2 * kMaxCounterNames + 64;
  wire::bencode::Document document;
  const auto root = document.parse(raw, limits);
  if (!root) {
    return std::unexpected(root.error().error == wire::bencode::Error::too_many_tokens ? SnapshotError::too_large
                                                                                       : SnapshotError::not_bencode);
  }
  const auto format = root->find_integer("format");
  const auto contacts = root->find_list("contacts");
  if (!format || !contacts) return std::unexpected(SnapshotError::not_a_snapshot);
  if (*format != kFormat) return std::unexpected(SnapshotError::unknown_format);
  const auto id = NodeId::from_bytes(root->find_string("id").value_or(Bytes{}));
  if (!id) return std::unexpected(SnapshotError::bad_id);
  Snapshot out;
  out.id = *id;
  out.saved = std::max<UnixSeconds>(root->find_integer("saved").value_or(0), 0);
  std::size_t listed = 0;
  for ([[maybe_unused]] const wire::bencode::View item : *contacts) ++listed;
  const Bytes failed = root->find_string("failed").value_or(Bytes{});
  const Bytes rtts = root->find_string("rtt").value_or(Bytes{});
  const Bytes versions = root->find_string("v").value_or(Bytes{});
  std::size_t i = 0;
  for (const wire::bencode::View item : *contacts) {
    if (out.contacts.size() == kMaxSavedContacts) break;
    if (auto contact = read_contact(item.string().value_or(Bytes{}))) {
      if (failed.size() == listed) contact->failed = failed[i] != 0;
      if (rtts.size() == listed * kRttSize)
        contact->rtt = std::chrono::milliseconds(wire::load_be16(rtts.data() + i * kRttSize));
      if (versions.size() == listed * kVersionSize)
        contact->version = client_version(versions.subspan(i * kVersionSize, kVersionSize));
      out.contacts.push_back(*contact);
    }
    ++i;
  }
  if (root->find_list("lookups")) {
    for (const wire::bencode::View item : root->items("lookups")) {
      if (out.lookups.size() == kMaxSavedLookups) break;
      if (auto lookup = read_lookup(item)) out.lookups.push_back(*std::move(lookup));
    }
  }
  unpack_store(root->find_string("store4").value_or(Bytes{}), Family::v4, out.store);
  unpack_store(root->find_string("store6").value_or(Bytes{}), Family::v6, out.store);
  out.run = read_counters(*root);
  return out;
}

}  // namespace lodestone::dht
