// SPDX-License-Identifier: Apache-2.0
#include "dht/items_snapshot.hpp"

#include <algorithm>
#include <utility>

#include "dht/saved_item.hpp"

namespace lodestone::dht {
namespace {

constexpr std::int64_t kItemsFormat = 1;
constexpr std::uint32_t kTokensPerItem = 13;  // the dictionary, six keys and their values
/// Older than any expiry, and far from where seconds do not fit a Duration.
constexpr std::int64_t kMaxAge = 10LL * 365 * 24 * 3'600;

std::int64_t sane(std::int64_t seconds) { return std::clamp<std::int64_t>(seconds, 0, kMaxAge); }

}  // namespace

std::string_view describe(ItemsError e) {
  switch (e) {
    case ItemsError::too_large: return "too large for stored items";
    case ItemsError::not_bencode: return "not bencode";
    case ItemsError::not_items: return "no stored items";
    case ItemsError::unknown_format: return "stored items of another format";
  }
  return "unknown error";
}

wire::ByteVector encode(const Items& items, wire::Instant now, wire::UnixSeconds wall_now) {
  wire::ByteVector out;
  // What an item costs in memory is more than what it takes here.
  out.reserve(items.bytes() + 64);
  wire::bencode::Writer w{out};
  w.begin_dict().key("format").integer(kItemsFormat).key("items").begin_list();
  items.for_each(now, [&w](const ItemView& item, wire::Duration age) {
    w.begin_dict().key("age").integer(std::chrono::duration_cast<std::chrono::seconds>(age).count());
    if (item.signed_by) write_signed_part(w, *item.signed_by);
    // As a string, so that however deep and manifold a value is, it is one token for who reads the file.
    w.key("v").string(item.value).end();
  });
  w.end().key("saved").integer(std::max<wire::UnixSeconds>(wall_now, 0)).end();
  return out;
}

std::expected<ItemsReader, ItemsError> ItemsReader::open(wire::ByteVector raw, wire::UnixSeconds wall_now) {
  if (raw.size() > kMaxItemsBytes) return std::unexpected(ItemsError::too_large);
  ItemsReader reader;
  reader.file_ = std::make_unique<File>(std::move(raw), wire::bencode::Document{});
  wire::bencode::Limits limits = wire::bencode::Limits::wire();
  limits.tokens = kMaxSavedItems * kTokensPerItem + 64;
  const auto root = reader.file_->document.parse(reader.file_->raw, limits);
  if (!root) {
    return std::unexpected(root.error().error == wire::bencode::Error::too_many_tokens ? ItemsError::too_large
                                                                                       : ItemsError::not_bencode);
  }
  const auto format = root->find_integer("format");
  const auto items = root->find_list("items");
  if (!format || !items) return std::unexpected(ItemsError::not_items);
  if (*format != kItemsFormat) return std::unexpected(ItemsError::unknown_format);
  if (items->size() > kMaxSavedItems) return std::unexpected(ItemsError::too_large);
  reader.at_ = items->begin();
  reader.end_ = items->end();
  // A clock that was set back, or no date: as if no time had passed.
  const std::int64_t today = std::max<std::int64_t>(wall_now, 0);
  reader.elapsed_ = sane(today - std::max<std::int64_t>(root->find_integer("saved").value_or(today), 0));
  return reader;
}

std::vector<AgedItem> ItemsReader::next(std::size_t n) {
  std::vector<AgedItem> out;
  for (; n > 0 && !done(); --n, ++at_)
    if (auto aged = read(*at_)) out.push_back(*std::move(aged));
  return out;
}

std::optional<AgedItem> ItemsReader::read(const wire::bencode::View& entry) {
  const auto value = entry.find_string("v");
  const auto age = entry.find_integer("age");
  if (!value || !age || value->size() > kMaxValue) return std::nullopt;
  Item item;
  item.value.assign(value->begin(), value->end());
  if (entry.find("k") && !read_signed_part(entry, item)) return std::nullopt;
  auto verified = VerifiedItem::verify(std::move(item), scratch_);
  if (!verified) return std::nullopt;
  return AgedItem{*std::move(verified), std::chrono::seconds(sane(sane(*age) + elapsed_))};
}

}  // namespace lodestone::dht
