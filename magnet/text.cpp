// SPDX-License-Identifier: Apache-2.0
#include "magnet/text.hpp"

#include <cassert>
#include <cstdlib>

#include <utf8proc.h>

namespace lodestone::magnet {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

bool turns_direction(std::int32_t point) {
  return point == 0x200e || point == 0x200f || point == 0x061c || (point >= 0x202a && point <= 0x202e) ||
         (point >= 0x2066 && point <= 0x2069);
}

/// The text with those code points (-1: a stray byte) replaced for which `refuse` holds.
template <class Refuse>
std::string replaced(std::string_view text, Refuse refuse) {
  std::string clean;
  clean.reserve(text.size());
  while (!text.empty()) {
    const Point point = first_point(text);
    clean += refuse(point.value) ? kReplacement : text.substr(0, point.length);
    text.remove_prefix(point.length);
  }
  return clean;
}

}  // namespace

Point first_point(std::string_view text) {
  assert(!text.empty());
  utf8proc_int32_t value = -1;
  const auto length = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                       static_cast<utf8proc_ssize_t>(text.size()), &value);
  if (length <= 0) return {};
  return {static_cast<std::size_t>(length), value};
}

bool is_control(std::int32_t point) { return (point >= 0 && point < 0x20) || (point >= 0x7f && point < 0xa0); }

std::string mended_utf8(std::string_view text) {
  return replaced(text, [](std::int32_t point) { return point < 0; });
}

std::string printable(std::string_view text) {
  return replaced(text, [](std::int32_t point) {
    const bool layout = point == '\n' || point == '\t';
    return point < 0 || (is_control(point) && !layout) || turns_direction(point);
  });
}

std::string_view cut_to_width(std::string_view text, std::size_t columns) {
  std::size_t at = 0;
  std::size_t used = 0;
  while (at < text.size()) {
    const Point point = first_point(text.substr(at));
    const int cells = point.value < 0 ? 1 : utf8proc_charwidth(point.value);
    const std::size_t width = cells > 0 ? static_cast<std::size_t>(cells) : 0;
    if (used + width > columns) break;
    used += width;
    at += point.length;
  }
  return text.substr(0, at);
}

std::string_view cut_to_bytes(std::string_view text, std::size_t bytes) {
  if (text.size() <= bytes) return text;
  const auto continues = [&](std::size_t at) { return (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80; };
  while (bytes > 0 && continues(bytes)) --bytes;
  return text.substr(0, bytes);
}

std::string collision_key(std::string_view text) {
  utf8proc_uint8_t* mapped = nullptr;
  // Folding can undo composition, and STABLE keeps to what will not change in later versions of Unicode.
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_CASEFOLD);
  const auto length = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                   static_cast<utf8proc_ssize_t>(text.size()), &mapped, options);
  if (length < 0) return std::string(text);
  std::string key(reinterpret_cast<const char*>(mapped), static_cast<std::size_t>(length));
  std::free(mapped);
  return key;
}

}  // namespace lodestone::magnet
