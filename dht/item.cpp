// SPDX-License-Identifier: Apache-2.0
#include "dht/item.hpp"

#include <cassert>

#include <sodium/crypto_sign.h>
#include <sodium/utils.h>

#include "wire/base/hash.hpp"

namespace lodestone::dht {
namespace {

static_assert(crypto_sign_PUBLICKEYBYTES == sizeof(PublicKey) && crypto_sign_BYTES == sizeof(Signature));
static_assert(crypto_sign_SECRETKEYBYTES == 64 && crypto_sign_SEEDBYTES == sizeof(SigningKey::Seed));

/// What is signed: the salt (if there is one), the number and the value as entries of a dictionary, in bencode, without
/// the dictionary's brackets.
wire::ByteVector signed_text(wire::Bytes value, wire::Bytes salt, std::int64_t seq) {
  wire::ByteVector text;
  text.reserve(value.size() + salt.size() + 64);
  wire::bencode::Writer writer(text);
  writer.begin_dict();
  if (!salt.empty()) writer.key("salt").string(salt);
  writer.key("seq").integer(seq).key("v").raw(value).end();
  text.erase(text.begin());
  text.pop_back();
  return text;
}

}  // namespace

wire::Key immutable_target(wire::Bytes value) { return wire::Key{wire::sha1(value)}; }

wire::Key mutable_target(const PublicKey& key, wire::Bytes salt) {
  wire::Sha1 hash;
  hash.update(key);
  hash.update(salt);
  return wire::Key{hash.finish()};
}

wire::Key ItemView::target() const {
  return signed_by ? mutable_target(signed_by->key, signed_by->salt) : immutable_target(value);
}

Item::Item(const ItemView& view) : value(view.value.begin(), view.value.end()) {
  if (!view.signed_by) return;
  key = view.signed_by->key;
  salt.assign(view.signed_by->salt.begin(), view.signed_by->salt.end());
  seq = view.signed_by->seq;
  signature = view.signed_by->signature;
}

ItemView Item::view() const {
  if (!key) return {value, std::nullopt};
  return {value, MutablePart{*key, salt, seq, signature}};
}

bool is_canonical_value(wire::Bytes value, wire::bencode::Document& scratch) {
  wire::bencode::Limits limits = wire::bencode::Limits::wire();
  limits.strict = true;
  return scratch.parse(value, limits).has_value();
}

bool signature_holds(wire::Bytes value, const MutablePart& part) {
  if (value.size() > kMaxValue || part.salt.size() > kMaxSalt || part.seq < 0) return false;
  const wire::ByteVector text = signed_text(value, part.salt, part.seq);
  return crypto_sign_verify_detached(part.signature.data(), text.data(), text.size(), part.key.data()) == 0;
}

std::optional<VerifiedItem> VerifiedItem::verify(Item item, wire::bencode::Document& scratch) {
  if (item.value.size() > kMaxValue || !is_canonical_value(item.value, scratch)) return std::nullopt;
  const ItemView view = item.view();
  if (view.signed_by && !signature_holds(view.value, *view.signed_by)) return std::nullopt;
  return VerifiedItem(std::move(item));
}

SigningKey::SigningKey(const Seed& seed) { crypto_sign_seed_keypair(public_.data(), secret_.data(), seed.data()); }

SigningKey::~SigningKey() { sodium_memzero(secret_.data(), secret_.size()); }

Item SigningKey::sign(wire::Bytes value, wire::Bytes salt, std::int64_t seq) const {
  assert(value.size() <= kMaxValue && salt.size() <= kMaxSalt && seq >= 0);
  Item item;
  item.value.assign(value.begin(), value.end());
  item.key = public_;
  item.salt.assign(salt.begin(), salt.end());
  item.seq = seq;
  const wire::ByteVector text = signed_text(value, salt, seq);
  crypto_sign_detached(item.signature.data(), nullptr, text.data(), text.size(), secret_.data());
  return item;
}

}  // namespace lodestone::dht
