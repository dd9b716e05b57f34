// SPDX-License-Identifier: Apache-2.0
// Text that strangers wrote, made fit for a file system, a terminal or a comparison. Pure; utf8proc is used here only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace lodestone::magnet {

/// The code point at the front of the text, which is not empty.
struct Point {
  std::size_t length = 1;   // bytes
  std::int32_t value = -1;  // -1: this byte starts no well-formed sequence
};
[[nodiscard]] Point first_point(std::string_view text);

/// C0, DEL and C1.
[[nodiscard]] bool is_control(std::int32_t point);

/// Well-formed UTF-8: bytes that are none become U+FFFD.
[[nodiscard]] std::string mended_utf8(std::string_view text);

/// For terminals and messages: control characters except newline and tab, marks and overrides of writing direction
/// (which could move the cursor or disguise a name) and bytes that are no UTF-8 become U+FFFD.
[[nodiscard]] std::string printable(std::string_view text);

/// The longest prefix that takes at most `columns` cells of a terminal.
[[nodiscard]] std::string_view cut_to_width(std::string_view text, std::size_t columns);

/// The longest prefix of at most `bytes` bytes that does not end inside a sequence. The text is well-formed.
[[nodiscard]] std::string_view cut_to_bytes(std::string_view text, std::size_t bytes);

/// Equal for names that some file system takes for the same: compatibility aside, NFC and full case folding. The text
/// is well-formed.
[[nodiscard]] std::string collision_key(std::string_view text);

}  // namespace lodestone::magnet
