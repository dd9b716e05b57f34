// SPDX-License-Identifier: Apache-2.0
// An item in a file: a bencoded dictionary with the keys of BEP 44's put (k, salt, seq, sig, v). Whatever decode()
// accepts is in order: its value canonical, its signature good.
#pragma once

#include <optional>

#include "dht/item.hpp"
#include "wire/base/bytes.hpp"

namespace lodestone::dht {

inline constexpr std::size_t kMaxSavedItem = kMaxValue + kMaxSalt + 256;

[[nodiscard]] wire::ByteVector encode(const Item& item);
[[nodiscard]] std::optional<Item> decode_item(wire::Bytes raw);

}  // namespace lodestone::dht
