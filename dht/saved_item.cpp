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

wire::ByteVector encode(const Item& item) {
  wire::ByteVector out;
  wire::bencode::Writer writer(out);
  writer.begin_dict();
  if (item.key) {
    writer.key("k").string(wire::Bytes{*item.key});
    if (!item.salt.empty()) writer.key("salt").string(wire::Bytes{item.salt});
    writer.key("seq").integer(item.seq);
    writer.key("sig").string(wire::Bytes{item.signature});
  }
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
  const auto seq = root->find_integer("seq");
  const wire::Bytes salt = root->find_string("salt").value_or(wire::Bytes{});
  if (!read_array(*root, "k", item.key.emplace()) || !read_array(*root, "sig", item.signature)) return std::nullopt;
  if (!seq || *seq < 0 || salt.size() > kMaxSalt) return std::nullopt;
  item.seq = *seq;
  item.salt.assign(salt.begin(), salt.end());
  const ItemView view = item.view();
  if (!signature_holds(view.value, *view.signed_by)) return std::nullopt;
  return item;
}

}  // namespace lodestone::dht
