// SPDX-License-Identifier: Apache-2.0
#include "dht/saved_item.hpp"

#include <algorithm>

namespace lodestone::dht {
namespace {

template <class Array>
bool read_array(const wire::bencode::View& from, std::string_view key, Array& out) {
  const auto raw = from.find_string(key);
  if (!raw || raw->size() != out.size()) return false;
  std::copy(raw->begin(), raw->end(), out.begin());
  return true;
}

}  // namespace

void write_signed_part(wire::bencode::Writer& writer, const MutablePart& part) {
  writer.key("k").string(wire::Bytes{part.key});
  if (!part.salt.empty()) writer.key("salt").string(part.salt);
  writer.key("seq").integer(part.seq).key("sig").string(wire::Bytes{part.signature});
}

bool read_signed_part(const wire::bencode::View& from, Item& item) {
  const auto seq = from.find_integer("seq");
  const wire::Bytes salt = from.find_string("salt").value_or(wire::Bytes{});
  if (!read_array(from, "k", item.key.emplace()) || !read_array(from, "sig", item.signature)) return false;
  if (!seq || *seq < 0 || salt.size() > kMaxSalt) return false;
  item.seq = *seq;
  item.salt.assign(salt.begin(), salt.end());
  return true;
}

wire::ByteVector encode(const Item& item) {
  wire::ByteVector out;
  wire::bencode::Writer writer(out);
  writer.begin_dict();
  if (const ItemView view = item.view(); view.signed_by) write_signed_part(writer, *view.signed_by);
  writer.key("v").raw(item.value);
  writer.end();
  return out;
}

std::optional<Item> decode_item(wire::Bytes raw) {
  if (raw.size() > kMaxSavedItem) return std::nullopt;
  wire::bencode::Limits limits = wire::bencode::Limits::wire();
  limits.strict = true;
  wire::bencode::Document document;
  const auto root = document.parse(raw, limits);
  if (!root) return std::nullopt;
  const auto value = root->find("v");
  if (!value || value->raw().size() > kMaxValue) return std::nullopt;
  Item item;
  item.value.assign(value->raw().begin(), value->raw().end());
  if (!root->find("k")) return item;
  if (!read_signed_part(*root, item)) return std::nullopt;
  const ItemView view = item.view();
  if (!signature_holds(view.value, *view.signed_by)) return std::nullopt;
  return item;
}

}  // namespace lodestone::dht
