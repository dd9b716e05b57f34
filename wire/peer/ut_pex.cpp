// SPDX-License-Identifier: Apache-2.0
#include "wire/peer/ut_pex.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace lodestone::wire {
namespace {

/// The first kMaxEntries whole entries of a compact list.
template <class F>
void for_each_compact(const bencode::View& dict, std::string_view key, Family family, F&& f) {
  const auto raw = dict.find_string(key);
  if (!raw) return;
  const std::size_t size = Endpoint::compact_size(family);
  const std::size_t n = std::min(raw->size() / size, UtPex::kMaxEntries);
  for (std::size_t i = 0; i < n; ++i) f(i, *Endpoint::from_compact(raw->subspan(i * size, size)));
}

void read_added(const bencode::View& dict, std::string_view key, std::string_view flags_key, Family family,
                UtPex& out) {
  const Bytes flags = dict.find_string(flags_key).value_or(Bytes{});
  for_each_compact(dict, key, family, [&](std::size_t i, const Endpoint& e) {
    out.added.push_back({e, i < flags.size() ? flags[i] : std::uint8_t{0}});
  });
}

void append_compact(ByteVector& out, const Endpoint& e) {
  std::array<std::uint8_t, 18> compact;
  const std::size_t n = e.write_compact(compact.data());
  out.insert(out.end(), compact.begin(), compact.begin() + static_cast<std::ptrdiff_t>(n));
}

/// Both lists of one family, as the wire has them.
struct Half {
  ByteVector added, flags, dropped;
};

Half half_of(const UtPex& message, Family family) {
  Half out;
  for (const PexPeer& p : message.added) {
    if (p.endpoint.family() != family) continue;
    append_compact(out.added, p.endpoint);
    out.flags.push_back(p.flags);
  }
  for (const Endpoint& e : message.dropped)
    if (e.family() == family) append_compact(out.dropped, e);
  return out;
}

}  // namespace

void UtPex::encode(ByteVector& out) const {
  const Half v4 = half_of(*this, Family::v4);
  const Half v6 = half_of(*this, Family::v6);
  bencode::Writer w(out);
  w.begin_dict();
  // The v4 keys are there even when empty: older clients take a message without "added" for a broken one.
  w.key("added").string(v4.added);
  w.key("added.f").string(v4.flags);
  if (!v6.added.empty()) w.key("added6").string(v6.added).key("added6.f").string(v6.flags);
  w.key("dropped").string(v4.dropped);
  if (!v6.dropped.empty()) w.key("dropped6").string(v6.dropped);
  w.end();
}

std::expected<UtPex, bencode::Failure> UtPex::decode(Bytes payload) {
  bencode::Limits limits = bencode::Limits::wire();
  limits.allow_trailing = true;
  bencode::Document doc;
  const auto root = doc.parse(payload, limits);
  if (!root) return std::unexpected(root.error());
  if (!root->is_dict()) return std::unexpected(bencode::Failure{bencode::Error::unexpected_byte, 0});

  UtPex out;
  read_added(*root, "added", "added.f", Family::v4, out);
  read_added(*root, "added6", "added6.f", Family::v6, out);
  const auto drop = [&](std::size_t, const Endpoint& e) { out.dropped.push_back(e); };
  for_each_compact(*root, "dropped", Family::v4, drop);
  for_each_compact(*root, "dropped6", Family::v6, drop);
  return out;
}

}  // namespace lodestone::wire
