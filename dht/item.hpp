// SPDX-License-Identifier: Apache-2.0
// One stored item (BEP 44): a value under its own hash, or a signed, numbered value under the hash of its key and salt.
// What is hashed and signed is the bencoded value byte for byte as it came, and only canonical bencode is a value (S8),
// so that nobody can store two spellings of one thing. Pure functions and values; the store is dht/items.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <utility>

#include "wire/base/bencode.hpp"
#include "wire/base/bytes.hpp"
#include "wire/base/id.hpp"
#include "wire/base/time.hpp"

namespace lodestone::dht {

using PublicKey = std::array<std::uint8_t, 32>;  // ed25519
using Signature = std::array<std::uint8_t, 64>;

inline constexpr std::size_t kMaxValue = 1'000;  // bytes of bencode
inline constexpr std::size_t kMaxSalt = 64;

/// What a mutable item has beside its value. The views belong to somebody else.
struct MutablePart {
  PublicKey key;
  wire::Bytes salt;  // empty: none
  std::int64_t seq = 0;
  Signature signature;
};
/// An item on its way in or out.
struct ItemView {
  wire::Bytes value;
  std::optional<MutablePart> signed_by;  // nullopt: immutable

  [[nodiscard]] wire::Key target() const;
};

/// The same, owning its bytes.
struct Item {
  wire::ByteVector value;
  std::optional<PublicKey> key;  // nullopt: immutable, and the rest means nothing
  wire::ByteVector salt;
  std::int64_t seq = 0;
  Signature signature{};

  Item() = default;
  explicit Item(const ItemView& view);
  [[nodiscard]] ItemView view() const;
  [[nodiscard]] wire::Key target() const { return view().target(); }
};

[[nodiscard]] wire::Key immutable_target(wire::Bytes value);
[[nodiscard]] wire::Key mutable_target(const PublicKey& key, wire::Bytes salt);

/// Exactly one bencoded value in the one form that strict reading accepts. `scratch` is any Document: no allocation
/// when it is warm.
[[nodiscard]] bool is_canonical_value(wire::Bytes value, wire::bencode::Document& scratch);
/// False for a key that is no point of the curve, too. Costs some 50 us: check what is cheap first.
[[nodiscard]] bool signature_holds(wire::Bytes value, const MutablePart& part);

/// An item that is in order: within its sizes, its value canonical, its signature good. Only verify() makes one, so
/// that whoever is handed one need not ask again.
class VerifiedItem {
 public:
  /// nullopt: it is not. Costs what signature_holds() does if there is a signature. `scratch`: as above.
  [[nodiscard]] static std::optional<VerifiedItem> verify(Item item, wire::bencode::Document& scratch);
  [[nodiscard]] const Item& item() const { return item_; }

 private:
  explicit VerifiedItem(Item item) : item_(std::move(item)) {}
  Item item_;
};
/// With how long ago somebody put it.
struct AgedItem {
  VerifiedItem item;
  wire::Duration age{};
};

/// Secrets: never logged, never in a reply.
class SigningKey {
 public:
  using Seed = std::array<std::uint8_t, 32>;
  /// The seed comes from the CSPRNG (C3).
  explicit SigningKey(const Seed& seed);
  SigningKey(const SigningKey&) = default;
  SigningKey& operator=(const SigningKey&) = default;
  ~SigningKey();

  [[nodiscard]] const PublicKey& public_key() const { return public_; }
  /// `value` must be canonical bencode, `salt` at most kMaxSalt, `seq` not negative.
  [[nodiscard]] Item sign(wire::Bytes value, wire::Bytes salt, std::int64_t seq) const;

 private:
  PublicKey public_;
  std::array<std::uint8_t, 64> secret_;
};

}  // namespace lodestone::dht
