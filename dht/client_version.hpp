// SPDX-License-Identifier: Apache-2.0
// The "v" of a node's messages (BEP 5), by which it says what program it is: two letters and two bytes of a version, if
// it keeps to the custom. Somebody else's word: for statistics, never for a decision. A value; anybody may use it.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

#include "wire/base/bytes.hpp"

namespace lodestone::dht {

/// Shorter ones are filled up with zeros; all zero: unknown.
using ClientVersion = std::array<std::uint8_t, 4>;

/// Of a longer one the first four bytes are kept.
[[nodiscard]] inline ClientVersion client_version(wire::Bytes said) {
  ClientVersion v{};
  std::copy_n(said.begin(), std::min(said.size(), v.size()), v.begin());
  return v;
}
[[nodiscard]] inline bool is_known(const ClientVersion& v) { return v != ClientVersion{}; }

/// As it was said, as far as four bytes can tell: a zero at the end belongs to it behind another number (2.0 is
/// "LT\x02\x00"), and is filling behind letters. Empty: unknown.
[[nodiscard]] inline std::string_view said(const ClientVersion& v) {
  std::size_t n = v.size();
  if (v[2] == 0)
    while (n > 0 && v[n - 1] == 0) --n;
  return wire::as_text({v.data(), n});
}

}  // namespace lodestone::dht
