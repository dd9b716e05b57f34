// SPDX-License-Identifier: Apache-2.0
// Byte views and the few conversions everybody needs. Nothing here owns memory.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lodestone::wire {

using Bytes = std::span<const std::uint8_t>;
using MutableBytes = std::span<std::uint8_t>;
using ByteVector = std::vector<std::uint8_t>;

[[nodiscard]] inline Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
[[nodiscard]] inline std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Whether these bytes begin with that text, whose end the compiler knows: compared in words, without a call. As many
/// bytes are there.
template <std::size_t kSize>
[[nodiscard]] inline bool begins_with(const std::uint8_t* p, const char (&text)[kSize]) {
  constexpr std::size_t kLength = kSize - 1;
  const auto same = [&]<class Word>(Word, std::size_t at) {
    Word a, b;
    std::memcpy(&a, p + at, sizeof(Word));
    std::memcpy(&b, text + at, sizeof(Word));
    return a == b;
  };
  if constexpr (kLength > 16) {
    return same(std::uint64_t{}, 0) && std::memcmp(p + 8, text + 8, kLength - 8) == 0;
  } else if constexpr (kLength >= 8) {
    return same(std::uint64_t{}, 0) && same(std::uint64_t{}, kLength - 8);
  } else if constexpr (kLength >= 4) {
    return same(std::uint32_t{}, 0) && same(std::uint32_t{}, kLength - 4);
  } else {
    return std::memcmp(p, text, kLength) == 0;
  }
}

/// Lower-case hex, two digits a byte.
[[nodiscard]] std::string to_hex(Bytes bytes);
/// Accepts upper and lower case; nullopt on an odd length or a foreign character.
[[nodiscard]] std::optional<ByteVector> from_hex(std::string_view text);
/// RFC 4648 base32 without padding, any case (info-hashes in magnet links); nullopt on a foreign character or a bad
/// length.
[[nodiscard]] std::optional<ByteVector> from_base32(std::string_view text);
/// True when the bytes are well-formed UTF-8 (no overlong forms, no surrogates).
[[nodiscard]] bool is_utf8(Bytes bytes);

/// Big-endian loads and stores; the caller has checked that the bytes are there.
// Whole words, and turned round: pieced together from bytes they are not always seen to be one.
template <class Word>
[[nodiscard]] inline Word load_be(const std::uint8_t* p) {
  Word v;
  std::memcpy(&v, p, sizeof v);
  return std::endian::native == std::endian::little ? std::byteswap(v) : v;
}
template <class Word>
inline void store_be(std::uint8_t* p, Word v) {
  if (std::endian::native == std::endian::little) v = std::byteswap(v);
  std::memcpy(p, &v, sizeof v);
}
[[nodiscard]] inline std::uint16_t load_be16(const std::uint8_t* p) { return load_be<std::uint16_t>(p); }
[[nodiscard]] inline std::uint32_t load_be32(const std::uint8_t* p) { return load_be<std::uint32_t>(p); }
[[nodiscard]] inline std::uint64_t load_be64(const std::uint8_t* p) { return load_be<std::uint64_t>(p); }
inline void store_be16(std::uint8_t* p, std::uint16_t v) { store_be(p, v); }
inline void store_be32(std::uint8_t* p, std::uint32_t v) { store_be(p, v); }
inline void store_be64(std::uint8_t* p, std::uint64_t v) { store_be(p, v); }

}  // namespace lodestone::wire
