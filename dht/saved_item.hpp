// SPDX-License-Identifier: Apache-2.0
// An item in a file: a bencoded dictionary with the keys of BEP 44's put (k, salt, seq, sig, v). Whatever decode()
// accepts is in order: its value canonical, its signature good.
#pragma once

#include <optional>

#include "dht/item.hpp"
#include "wire/base/bencode.hpp"
#include "wire/base/bytes.hpp"

namespace lodestone::dht {

inline constexpr std::size_t kMaxSavedItem = kMaxValue + kMaxSalt + 256;

/// What says who has signed an item, as keys of a dictionary that is being written ("k", "salt", "seq", "sig"), and
/// back from one that has a "k". False: something is missing or of no possible size. Verifies nothing.
void write_signed_part(wire::bencode::Writer& writer, const MutablePart& part);
[[nodiscard]] bool read_signed_part(const wire::bencode::View& from, Item& item);

[[nodiscard]] wire::ByteVector encode(const Item& item);
[[nodiscard]] std::optional<Item> decode_item(wire::Bytes raw);

}  // namespace lodestone::dht
